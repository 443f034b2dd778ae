import { CommanderError } from 'commander';
import { type CliContext, createContext } from './context.ts';
import { exitCodes } from './exit-codes.ts';
import { OutputLost } from './output.ts';
import { printableLines } from './printable.ts';
import { createProgram } from './program.ts';

/** Follows the message of an output that was lost after a change. */
const changeSaved = ' The change itself was saved.';

const finish = (code: number): never => {
  // Not left to the event loop: a keyring or a connection that hangs must not hold the shell up.
  process.exit(code);
};

/**
 * Runs one command line and ends the process. A failure is a message on stderr and an exit code; the message holds
 * nothing that could be a value.
 */
export const run = async (args: readonly string[]): Promise<void> => {
  const [first, ...rest] = args;
  await (first === '__complete' ? runCompletion(rest) : runCommandLine(args));
};

/** The hidden command of the shells' completion scripts: it ends in 0 and says nothing on stderr, whatever happens. */
const runCompletion = async (args: readonly string[]): Promise<void> => {
  const end = (): never => finish(exitCodes.ok);
  process.on('uncaughtException', end);
  process.on('unhandledRejection', end);
  const { complete } = await import('./completion/index.ts');
  await complete(args);
  end();
};

const runCommandLine = async (args: readonly string[]): Promise<void> => {
  let context: CliContext | null = null;
  let failing = false;
  const fail = async (error: unknown): Promise<never> => {
    // Where no file can be opened any more, loading the messages fails too. That second failure ends here.
    if (failing) return finish(exitCodes.failed);
    failing = true;
    const { exitOf } = await import('./exit.ts');
    const { code, message } = exitOf(error, context?.env.own.KEYHOLD_CLI_TOKEN !== undefined);
    const more = error instanceof OutputLost && context?.changed ? changeSaved : '';
    if (message !== '') process.stderr.write(`${printableLines(`keyhold: ${message}${more}`)}\n`);
    return finish(code);
  };
  // Node would print the failing line and the thrown error, either of which may hold a value.
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);
  try {
    const created = createContext();
    context = created.context;
    const program = await createProgram(context, created.configure, args);
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    // --help and --version end here too, and load nothing more.
    if (!(error instanceof CommanderError && error.exitCode === exitCodes.ok)) await fail(error);
  }
  finish(typeof process.exitCode === 'number' ? process.exitCode : exitCodes.ok);
};

import { CommanderError } from 'commander';
import { type CliContext, createContext } from './context.ts';
import { exitCodes } from './exit-codes.ts';
import { OutputLost } from './output.ts';
import { printableLines } from './printable.ts';
import { createProgram } from './program.ts';

/** What is still to be said when a change was made, but not what became of it. */
const doneAllTheSame = ' What you asked for was done all the same.';

const finish = (code: number): never => {
  // Not left to the event loop: a keyring or a connection that hangs must not hold the shell up.
  process.exit(code);
};

/** Runs one command line; what goes wrong is a sentence on stderr and an exit code, with nothing that might be a value. */
export const run = async (args: readonly string[]): Promise<void> => {
  let context: CliContext | null = null;
  let failing = false;
  const fail = async (error: unknown): Promise<never> => {
    // Without file descriptors, for one, even loading the sentence fails; that failure ends here too.
    if (failing) return finish(exitCodes.failed);
    failing = true;
    const { endingOf } = await import('./ending.ts');
    const { code, message } = endingOf(error, context?.env.own.KEYHOLD_CLI_TOKEN !== undefined);
    const more = error instanceof OutputLost && context?.changed ? doneAllTheSame : '';
    if (message !== '') process.stderr.write(`${printableLines(`keyhold: ${message}${more}`)}\n`);
    return finish(code);
  };
  // Node would print the line that failed and what was thrown, which may hold a value.
  process.on('uncaughtException', fail);
  process.on('unhandledRejection', fail);
  try {
    const made = createContext();
    context = made.context;
    const program = await createProgram(context, made.configure, args);
    await program.parseAsync([...args], { from: 'user' });
  } catch (error) {
    // Help and version end so too; they load nothing more.
    if (!(error instanceof CommanderError && error.exitCode === exitCodes.ok)) await fail(error);
  }
  finish(typeof process.exitCode === 'number' ? process.exitCode : exitCodes.ok);
};

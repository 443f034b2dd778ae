import { exitCodes } from '../exit-codes.ts';
import { CliFailure } from '../failure.ts';
import { type CommandExit, signalOfNumber } from './command-exit.ts';
import { commandFile } from './command-file.ts';
import { createMaskers } from './masker.ts';
import type { Runner } from './runner.ts';

const packageMissing = (cause: unknown): CliFailure =>
  new CliFailure(
    exitCodes.usage,
    'Masking on a terminal needs the optional package @lydell/node-pty, which is not installed here. Run without --mask, or pipe the output.',
    { cause },
  );

const loadPty = async () => {
  try {
    return await import('@lydell/node-pty');
  } catch (cause) {
    throw packageMissing(cause);
  }
};

/** A terminal that passes bytes; the package's types know only strings. */
interface ByteTerminal {
  onData(listener: (chunk: Buffer) => void): void;
  onExit(listener: (exit: { exitCode: number; signal?: number }) => void): void;
  write(keys: Buffer): void;
  resize(columns: number, rows: number): void;
  kill(signal: string): void;
}

const sizeOf = ({ columns, rows }: NodeJS.WriteStream) => ({ cols: columns || 80, rows: rows || 24 });

const forwardedSignals = ['SIGTERM', 'SIGHUP', 'SIGINT'] as const;

/**
 * A runner that gives the command a pseudo-terminal and shows its output masked. Keys are passed on as they are typed,
 * so that the pseudo-terminal generates the signals of Ctrl-C and Ctrl-\\; so are changes of size. Ctrl-Z cannot stop
 * the command: an orphaned process group (POSIX) has no shell that could continue it.
 */
export const prepareTerminal = async (): Promise<Runner> => {
  const pty = await loadPty();
  return async ({ command, env, values }) => {
    const [name = '', ...args] = command;
    const { file, argv } = commandFile(name, env['PATH']);
    const { stdin, stdout } = process;
    const masker = createMaskers(values)();
    const child = pty.spawn(file, [...argv.slice(1), ...args], {
      ...sizeOf(stdout),
      name: env['TERM'] ?? 'xterm',
      cwd: process.cwd(),
      env,
      // Bytes, so that the output is exactly what the command wrote.
      encoding: null,
    }) as unknown as ByteTerminal;
    child.onData((chunk) => stdout.write(masker.push(chunk)));
    const resize = (): void => {
      const { cols, rows } = sizeOf(stdout);
      child.resize(cols, rows);
    };
    const sendKeys = (keys: Buffer): void => child.write(keys);
    stdout.on('resize', resize);
    stdin.setRawMode(true);
    stdin.on('data', sendKeys);
    for (const signal of forwardedSignals) process.on(signal, () => child.kill(signal));
    const exit = await new Promise<CommandExit>((resolve) => {
      child.onExit(({ exitCode, signal }) => resolve({ code: exitCode, signal: signalOfNumber(signal) }));
    });
    stdin.off('data', sendKeys);
    stdin.setRawMode(false);
    stdin.pause();
    stdout.off('resize', resize);
    stdout.write(masker.end());
    return exit;
  };
};

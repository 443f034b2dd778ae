import { exitCodes } from '../exit-codes.ts';
import { CliFailure } from '../failure.ts';
import { type CommandExit, signalOfNumber } from './command-exit.ts';
import { commandFile } from './command-file.ts';
import { createMaskers } from './masker.ts';
import type { Runner } from './runner.ts';

const packageMissing = (cause: unknown): CliFailure =>
  new CliFailure(
    exitCodes.usage,
    'Masking on a terminal needs the optional package @lydell/node-pty, which is not installed for this platform. Run without --mask, or pipe the output.',
    { cause },
  );

const loadPty = async () => {
  try {
    return await import('@lydell/node-pty');
  } catch (cause) {
    throw packageMissing(cause);
  }
};

/** A terminal without an encoding, which the package's types leave out. */
interface ByteTerminal {
  onData(listener: (chunk: Buffer) => void): void;
  onExit(listener: (ending: { exitCode: number; signal?: number }) => void): void;
  write(keys: Buffer): void;
  resize(columns: number, rows: number): void;
  kill(signal: string): void;
}

const sizeOf = ({ columns, rows }: NodeJS.WriteStream) => ({ cols: columns || 80, rows: rows || 24 });

const handedOn = ['SIGTERM', 'SIGHUP', 'SIGINT'] as const;

/**
 * A runner that gives the command a terminal of its own and shows what it says there, masked. Keys go to it as they are
 * typed, so that its terminal makes the signals of Ctrl-C and Ctrl-\\; a change of size is passed on. Nothing can stop it
 * by Ctrl-Z: a group that leads a terminal has nobody who would let it go on (POSIX, orphaned process group).
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
      // Bytes, not text: what is shown must be what the command wrote.
      encoding: null,
    }) as unknown as ByteTerminal;
    child.onData((chunk) => stdout.write(masker.push(chunk)));
    const resize = (): void => {
      const { cols, rows } = sizeOf(stdout);
      child.resize(cols, rows);
    };
    const type = (keys: Buffer): void => child.write(keys);
    stdout.on('resize', resize);
    stdin.setRawMode(true);
    stdin.on('data', type);
    for (const signal of handedOn) process.on(signal, () => child.kill(signal));
    const ending = await new Promise<CommandExit>((resolve) => {
      child.onExit(({ exitCode, signal }) => resolve({ code: exitCode, signal: signalOfNumber(signal) }));
    });
    stdin.off('data', type);
    stdin.setRawMode(false);
    stdin.pause();
    stdout.off('resize', resize);
    stdout.write(masker.end());
    return ending;
  };
};

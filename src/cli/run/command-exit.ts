import { constants } from 'node:os';

/** How a command exited: with a code, or by a signal. */
export interface CommandExit {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const base = 128;

/** The exit code by which a shell reports a command that a signal terminated. */
const statusOfSignal = (signal: NodeJS.Signals): number => base + (constants.signals[signal] ?? 0);

export const signalOfNumber = (number: number | undefined): NodeJS.Signals | null => {
  if (number === undefined || number === 0) return null;
  const found = Object.entries(constants.signals).find(([, value]) => value === number);
  return found ? (found[0] as NodeJS.Signals) : null;
};

/** Signals that would write a core dump of this process, which holds values. */
const coreDumping: ReadonlySet<NodeJS.Signals> = new Set([
  ...([
    'SIGQUIT',
    'SIGILL',
    'SIGTRAP',
    'SIGABRT',
    'SIGBUS',
    'SIGFPE',
    'SIGSEGV',
    'SIGSYS',
    'SIGXCPU',
    'SIGXFSZ',
  ] as const),
]);

/**
 * Exits as the command exited: with its code, or by the same signal. For a signal that would write a core dump of this
 * process the exit code is 128 plus the signal's number, as in a shell.
 */
export const exitAs = ({ code, signal }: CommandExit): void => {
  if (signal === null) {
    process.exitCode = code ?? 1;
    return;
  }
  process.exitCode = statusOfSignal(signal);
  if (coreDumping.has(signal)) return;
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
};

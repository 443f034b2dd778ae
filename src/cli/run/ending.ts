import { constants } from 'node:os';

/** How a command ended: by a code, or by a signal. */
export interface Ending {
  readonly code: number | null;
  readonly signal: NodeJS.Signals | null;
}

const base = 128;

/** What a shell says about a command that a signal ended. */
const statusOfSignal = (signal: NodeJS.Signals): number => base + (constants.signals[signal] ?? 0);

export const signalOfNumber = (number: number | undefined): NodeJS.Signals | null => {
  if (number === undefined || number === 0) return null;
  const found = Object.entries(constants.signals).find(([, value]) => value === number);
  return found ? (found[0] as NodeJS.Signals) : null;
};

/** These write a core dump of ours, with the values in it, or cannot end us. */
const notRaised: ReadonlySet<NodeJS.Signals> = new Set([
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
 * Ends this process as the command ended: with its code, or by the same signal. After a signal that would write a core
 * dump of this process, which holds values, the code is 128 and the signal's number, as a shell says it.
 */
export const endAs = ({ code, signal }: Ending): void => {
  if (signal === null) {
    process.exitCode = code ?? 1;
    return;
  }
  process.exitCode = statusOfSignal(signal);
  if (notRaised.has(signal)) return;
  process.removeAllListeners(signal);
  process.kill(process.pid, signal);
};

import { unavailable } from './failure.ts';

export interface Supervised {
  ensureRunning(): Promise<void>;
  stop(): Promise<void>;
}

export interface Operations {
  start(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

/** Runs one start at a time, which concurrent callers share, and one stop, after which nothing starts. */
export const supervise = (operations: Operations): Supervised => {
  const stopping = new AbortController();
  let starting: Promise<void> | undefined;
  let stopped: Promise<void> | undefined;

  const ensureRunning = (): Promise<void> => {
    starting ??= operations.start(stopping.signal).finally(() => {
      starting = undefined;
    });
    return starting;
  };

  const stopOnce = async (): Promise<void> => {
    stopping.abort(unavailable('The embedded database is being stopped.'));
    await starting?.catch(() => undefined);
    await operations.stop();
  };

  return {
    ensureRunning,
    stop: () => {
      stopped ??= stopOnce();
      return stopped;
    },
  };
};

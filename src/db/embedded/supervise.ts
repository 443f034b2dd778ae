import { unavailable } from './failure.ts';

export interface Supervised {
  ensureRunning(): Promise<void>;
  stop(): Promise<void>;
}

export interface Operations {
  start(signal: AbortSignal): Promise<void>;
  stop(): Promise<void>;
}

/** One start at a time whoever asks, one stop, and no start after it. */
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

/** Work that is done again and again. */
export interface Loop {
  start(): void;
  /** Does it now, or once more if it is being done; resolves when that is done. */
  nudge(): Promise<void>;
  /** Waits for the work under way. */
  stop(): Promise<void>;
}

/** Runs `work` again and again, never twice at the same time: `pauseMs` after the last run, or when it is nudged. */
export const createLoop = (work: () => Promise<void>, pauseMs: number): Loop => {
  let state: 'new' | 'started' | 'stopped' = 'new';
  let timer: NodeJS.Timeout | undefined;
  let running: Promise<void> | null = null;
  let again = false;

  const run = async (): Promise<void> => {
    clearTimeout(timer);
    do {
      again = false;
      await work();
    } while (again && state === 'started');
    running = null;
    if (state === 'started') timer = setTimeout(begin, pauseMs).unref();
  };
  const begin = (): void => {
    if (state !== 'started') return;
    again = running !== null;
    running ??= run();
  };
  return {
    start: (): void => {
      if (state === 'new') state = 'started';
      begin();
    },
    nudge: async () => {
      begin();
      await running;
    },
    stop: async (): Promise<void> => {
      state = 'stopped';
      clearTimeout(timer);
      await running;
    },
  };
};

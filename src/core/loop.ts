export interface Loop {
  start(): void;
  /** Begins a run now, or another one as soon as the one under way is over; resolves when that is done. */
  nudge(): Promise<void>;
  /** Begins no further run, and resolves once the one under way is over. */
  stop(): Promise<void>;
}

/**
 * Runs `work` again and again, never twice at the same time: `pauseMs` after the end of the last run, or when it is nudged.
 * `work` must not throw.
 */
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

/** Passes on the first of the same complaints in a row, so that a database that is away is not complained about each time. */
export const createComplaints = (complain: (message: string) => void) => {
  let last = '';
  return {
    about: (error: unknown): void => {
      const message = error instanceof Error ? error.message : String(error);
      if (message !== last) complain(message);
      last = message;
    },
    /** Forgets the last complaint, after something succeeded: the next one is passed on even if it says the same. */
    over: (): void => {
      last = '';
    },
  };
};

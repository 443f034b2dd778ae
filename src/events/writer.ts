import { createComplaints, createLoop } from '../core/loop.ts';

/** Gives positions to events while the service runs. */
export interface EventWriter {
  start(): void;
  /** Stops after the current batch, even if more events wait. Another service, or the next start, goes on. */
  stop(): Promise<void>;
}

interface Deps {
  readonly givePositions: () => Promise<number>;
  /** Called after positions were given, so that readers of events look for them now. */
  readonly onGiven: () => void;
  readonly log: { warn(details: object, message: string): void };
}

const pauseMs = 500;

/** Every half second, gives positions until no committed event waits for one. */
export const createEventWriter = ({ givePositions, onGiven, log }: Deps): EventWriter => {
  const complaints = createComplaints((message) => log.warn({ message }, 'People are told nothing at the moment.'));
  let stopping = false;
  const write = async (): Promise<void> => {
    try {
      while (!stopping && (await givePositions()) > 0) onGiven();
      complaints.over();
    } catch (error) {
      complaints.about(error);
    }
  };
  const loop = createLoop(write, pauseMs);
  return {
    start: loop.start,
    stop: async () => {
      stopping = true;
      await loop.stop();
    },
  };
};

/** One batch of what has become due because time has passed. */
export interface SweepBatch {
  /** How many rows were done. */
  readonly done: number;
  /** Where the next batch goes on; null when nothing else is due. */
  readonly after: string | null;
}

/**
 * Something that becomes due because time passes. It is no timer: each step looks for what is due and not yet done, so that
 * what became due while no service ran is done late, once, and never twice.
 */
export interface Sweep<Tx> {
  readonly name: string;
  /** True for what cannot be undone: it waits while a restore has not been released. */
  readonly isFinal: boolean;
  /**
   * Does at most `limit` of what was due at `now`, the earlier of the service's and the database's clock. Rows up to `after`, where the
   * batch before ended, are passed by: they are done, or broken.
   */
  step(tx: Tx, now: Date, after: string | null, limit: number): Promise<SweepBatch>;
}

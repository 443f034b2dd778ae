/** One batch of deleting what an erased user leaves behind. */
export interface PurgeBatch {
  /** Rows that were worked on. */
  readonly rows: number;
  /** Rows that are broken, and were passed by. */
  readonly broken?: number;
  /** What became of them, by names for the receipt. */
  readonly counts: Readonly<Record<string, number>>;
  /** Where the next batch goes on; null when nothing of this kind is left. */
  readonly after: string | null;
  /** True where rows were left out because somebody else has locked them. The whole kind is then tried again. */
  readonly skipped?: boolean;
}

export interface PurgeOptions {
  /** The id after which the batch begins, which the batch before answered; null for the first. */
  readonly after: string | null;
  /** The maximum number of rows. */
  readonly limit: number;
  /**
   * What to do about rows that somebody else has locked. The transaction that erases has locked the user, for whom the others
   * may be waiting, so it must not wait for them.
   */
  readonly locked: 'wait' | 'skip';
}

/** Does one batch. */
export type Purge<Tx, Id> = (tx: Tx, userId: Id, options: PurgeOptions) => Promise<PurgeBatch>;

/** Where to go on after a batch that looked at these ids: nowhere, if there were fewer than it could have looked at. */
export const afterIds = (ids: readonly string[], limit: number): string | null =>
  ids.length < limit ? null : (ids.at(-1) ?? null);

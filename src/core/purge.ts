/** One batch of deleting what an erased user leaves behind. */
export interface PurgeBatch {
  /** Rows that were worked on. */
  readonly rows: number;
  /** What became of them, by names for the receipt. */
  readonly counts: Readonly<Record<string, number>>;
  /** Where the next batch goes on; null when nothing of this kind is left. */
  readonly after: string | null;
}

/** Does one batch of at most `limit` rows beyond `after`, which the batch before answered; null for the first. */
export type Purge<Tx, Id> = (tx: Tx, userId: Id, after: string | null, limit: number) => Promise<PurgeBatch>;

/** Where to go on after a batch that looked at these ids: nowhere, if there were fewer than it could have looked at. */
export const afterIds = (ids: readonly string[], limit: number): string | null =>
  ids.length < limit ? null : (ids.at(-1) ?? null);

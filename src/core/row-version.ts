/**
 * A sealed row as it was verified: its table, the columns that find it, and its seal. A seal covers every column that
 * decides anything, so a row that the service itself wrote and that has the same seal is unchanged.
 */
export interface RowVersion {
  readonly table: string;
  /** The primary key, or more columns where an edit that left the seal alone must be noticed too. */
  readonly columns: Readonly<Record<string, unknown>>;
  readonly seal: Uint8Array;
}

import type { SealedTableName } from '../tables/index.ts';

/** The seal formats that a migration introduces: for each table to which it adds sealed columns, their `since`. */
export type SealFormats = Readonly<Partial<Record<SealedTableName, number>>>;

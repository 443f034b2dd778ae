import pg from 'pg';

/*
 * The statements of snapshots that services of this process read in. Values are left out: two requests that differ in
 * nothing but values can be told apart by nobody.
 */

const textOf = (first: unknown): string => {
  if (typeof first === 'string') return first;
  return typeof first === 'object' && first !== null && 'text' in first ? String(first.text) : '';
};

/** Runs this and resolves to its answer, with the texts of all statements that its snapshots ran, whatever jobs run meanwhile. */
export const withStatements = async <T>(work: () => Promise<T>): Promise<{ answer: T; statements: string[] }> => {
  const statements: string[] = [];
  const reading = new Set<unknown>();
  const { query } = pg.Client.prototype;
  pg.Client.prototype.query = function (this: pg.Client, ...given: any[]) {
    const text = textOf(given[0]).replace(/\s+/gu, ' ').trim();
    if (text.includes('isolation level repeatable read')) reading.add(this);
    if (reading.has(this)) statements.push(text);
    if (text === 'commit' || text === 'rollback') reading.delete(this);
    return Reflect.apply(query, this, given);
  } as typeof query;
  try {
    return { answer: await work(), statements };
  } finally {
    pg.Client.prototype.query = query;
  }
};

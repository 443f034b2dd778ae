import { randomInt } from 'node:crypto';
import type { TestApp } from './app.ts';
import { piecesOf } from './leaks.ts';

/** A record of the audit log, as far as a test looks at it. */
export interface AuditRecord {
  readonly action: string;
  readonly outcome: string;
  readonly reason: string | null;
  readonly actor_id: string | null;
  readonly target_id: string | null;
}

/** Runs `work` and resolves to what it answers and to every record that was added meanwhile, oldest first. */
export const withRecords = async <T>(
  { database }: Pick<TestApp, 'database'>,
  work: () => Promise<T>,
): Promise<{ readonly answer: T; readonly records: readonly AuditRecord[] }> => {
  const newest = await database.client.query("select coalesce(max(id::text), '') as id from audit_log");
  const answer = await work();
  const { rows } = await database.client.query(
    'select action, outcome, reason, actor_id, target_id from audit_log where id::text > $1 order by id',
    [newest.rows[0].id],
  );
  return { answer, records: rows };
};

const letters = 'GHJKMNPQRSTVWXZ';

/**
 * Texts that nobody else writes, and a search for pieces of them in the audit log. They have no vowels and no
 * hexadecimal digits, so that no six letters of one are in an id, a seal or a word of ours.
 */
export const createMarkedTexts = () => {
  const texts: string[] = [];
  return {
    marked: (length = 16): string => {
      const text = Array.from({ length }, () => letters[randomInt(letters.length)]).join('');
      texts.push(text);
      return text;
    },
    /** The pieces that are in some record, in whichever column. */
    foundInRecords: async ({ database }: Pick<TestApp, 'database'>): Promise<readonly string[]> => {
      const { rows } = await database.client.query("select string_agg(audit_log::text, E'\\n') as all from audit_log");
      const log = String(rows[0].all).toUpperCase();
      return texts.flatMap((text) => piecesOf(text)).filter((piece) => log.includes(piece));
    },
  };
};

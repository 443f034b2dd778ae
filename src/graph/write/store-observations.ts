import { sql } from 'kysely';
import type { UserId } from '../../core/ids.ts';
import { newId } from '../../core/ids.ts';
import type { Tx } from '../../db/database.ts';
import { replanEachTime } from '../../db/pool.ts';
import { digestOf, type ObservationToPut, putObservations } from './put.ts';
import { factIndex, type Holds, type StoredFact } from './same-fact.ts';

/** An observation to be stored, unless it is there already. */
export interface NewObservation extends Holds {
  readonly entity_id: string;
  readonly scope_id: string;
  readonly content: string;
  readonly source: string | null;
  readonly confidence: number | null;
  /** When it was recorded; without it, at the time of this write. */
  readonly created_at?: Date;
}

/** Who stores facts, at which time of the service, and the time that decides what has ended. */
export interface StoredBy {
  readonly author_id: UserId;
  readonly agent: string | null;
  readonly at: Date;
  readonly now: Date;
}

interface StoredObservation extends StoredFact {
  readonly entity_id: string;
  readonly scope_id: string;
  readonly digest: Buffer;
}

export const observationKey = (row: { entity_id: string; scope_id: string; digest: Buffer }): string =>
  `${row.entity_id} ${row.scope_id} ${row.digest.toString('base64')}`;

/**
 * Stores those observations that do not hold yet, and resolves to the id of each. The scopes of the observations and of their
 * entities are locked.
 */
export const storeObservations = async (
  tx: Tx,
  facts: readonly NewObservation[],
  { author_id, agent, at, now }: StoredBy,
): Promise<{ readonly id: string; readonly created: boolean }[]> => {
  if (facts.length === 0) return [];
  const wanted = facts.map((fact) => ({ ...fact, digest: digestOf(fact.content) }));
  const index = factIndex(await storedObservations(tx, wanted), observationKey);
  const rows: ObservationToPut[] = [];
  const stored = wanted.map(({ digest, ...fact }) => {
    const existing = index.find(observationKey({ ...fact, digest }), fact, now);
    if (existing) return { id: existing.id, created: false };
    const row = { ...fact, id: newId<string>(), author_id, agent, created_at: fact.created_at ?? at };
    rows.push(row);
    index.add({ ...row, digest });
    return { id: row.id, created: true };
  });
  await putObservations(tx, rows);
  return stored;
};

/** Facts that one statement looks for. */
const maxWanted = 2000;

const storedObservations = async (
  tx: Tx,
  wanted: readonly { readonly entity_id: string; readonly digest: Buffer }[],
): Promise<StoredObservation[]> => {
  const pairs = new Map(wanted.map((one) => [`${one.entity_id} ${one.digest.toString('hex')}`, one]));
  const distinct = [...pairs.values()];
  const found: StoredObservation[] = [];
  for (let at = 0; at < distinct.length; at += maxWanted) {
    const some = distinct.slice(at, at + maxWanted);
    const { rows } = await sql<StoredObservation>`${sql.raw(replanEachTime)}
      select o.id, o.entity_id, o.scope_id, o.digest, o.valid_at, o.invalid_at
      from unnest(${some.map((one) => one.entity_id)}::uuid[],
        ${some.map((one) => one.digest.toString('hex'))}::text[]) as w (entity_id, digest)
      join public.memory_observations as o on o.entity_id = w.entity_id and o.digest = decode(w.digest, 'hex')
      order by o.id`.execute(tx);
    found.push(...rows);
  }
  return found;
};

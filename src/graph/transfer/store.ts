import { sql } from 'kysely';
import type { Caller } from '../../core/caller.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Tx } from '../../db/database.ts';
import { replanEachTime } from '../../db/pool.ts';
import { authorOf } from '../write/origin.ts';
import { putEntities, putNames, putUses } from '../write/put.ts';
import { storeRelations } from '../write/relations.ts';
import { storeObservations } from '../write/store-observations.ts';
import type { Holder, Plan } from './plan.ts';

/** What one statement writes or asks for, so that each ends well within its timeout. */
const batchSize = 2000;

/** The items in groups of at most `size`. */
export function* batchesOf<T>(items: readonly T[], size = batchSize): Generator<T[]> {
  for (let at = 0; at < items.length; at += size) yield items.slice(at, at + size);
}

/** The entities of a scope that have these names or aliases. */
export const holdersIn = async (tx: Tx, scopeId: string, names: readonly string[]): Promise<Map<string, Holder>> => {
  const found = new Map<string, Holder>();
  for (const batch of batchesOf(names)) {
    const { rows } = await sql<Holder & { readonly asked: string }>`${sql.raw(replanEachTime)}
      select n.name as asked, e.id, e.type from public.memory_names as n
      join public.memory_entities as e on e.id = n.entity_id
      where n.scope_id = ${scopeId} and n.name = any(${batch}::text[])`.execute(tx);
    for (const { asked, id, type } of rows) found.set(asked, { id, type });
  }
  return found;
};

/** Who writes into which scope, and when. */
export interface Destination {
  readonly caller: Caller;
  readonly scope_id: string;
  /** Whether the scope is a session's: only there are activities. */
  readonly isSession: boolean;
  readonly at: Date;
  readonly now: Date;
}

interface Stored {
  readonly created: number;
  readonly existing: number;
}

const storeEntities = async (
  tx: Tx,
  { created }: Plan,
  { caller, scope_id, at, isSession }: Destination,
): Promise<void> => {
  for (const batch of batchesOf(created)) {
    await putEntities(
      tx,
      batch.map(({ id, type, name, attributes, tags, aliases, isActivity, created_at, updated_at }) => ({
        ...{ id, scope_id, type, name, attributes, tags, aliases, ...authorOf(caller), version: 1 },
        is_activity: isActivity && isSession,
        created_at: created_at ?? at,
        updated_at: updated_at ?? created_at ?? at,
      })),
    );
    await putNames(
      tx,
      batch.flatMap(({ id, name, aliases }) => [
        { scope_id, name, entity_id: id, is_alias: false },
        ...aliases.map((alias) => ({ scope_id, name: alias, entity_id: id, is_alias: true })),
      ]),
    );
    if (isSession)
      await putUses(
        tx,
        batch.flatMap(({ id, uses, isActivity }) =>
          isActivity ? uses.map((use_id) => ({ use_id, activity_id: id })) : [],
        ),
      );
  }
};

const countOf = (stored: readonly { readonly created: boolean }[]): Stored => {
  const created = stored.filter((one) => one.created).length;
  return { created, existing: stored.length - created };
};

const sum = (counts: readonly Stored[]): Stored => ({
  created: counts.reduce((total, one) => total + one.created, 0),
  existing: counts.reduce((total, one) => total + one.existing, 0),
});

const timesOf = ({ created_at }: { readonly created_at: Date | null }, at: Date) => ({ created_at: created_at ?? at });

/** Writes what an import adds to a scope that is locked. */
export const storePlan = async (
  tx: Tx,
  plan: Plan,
  to: Destination,
): Promise<{ readonly observations: Stored; readonly relations: Stored }> => {
  const { caller, scope_id, at, now } = to;
  const by = { ...authorOf(caller), at, now };
  await storeEntities(tx, plan, to);
  const observations: Stored[] = [];
  for (const batch of batchesOf(plan.observations)) {
    const facts = batch.map(({ entity_id, content, source, confidence, valid_at, invalid_at, ...rest }) => ({
      ...{ entity_id, scope_id, content, source, confidence, valid_at, invalid_at },
      ...timesOf(rest, at),
    }));
    observations.push(countOf(await storeObservations(tx, facts, by)));
  }
  const relations: Stored[] = [];
  for (const batch of batchesOf(plan.relations)) {
    const facts = batch.map(
      ({ from_id, to_id, type, attributes, source, confidence, valid_at, invalid_at, ...rest }) => ({
        ...{ scope_id, from_id, to_id, type, attributes, source, confidence, valid_at, invalid_at },
        ...timesOf(rest, at),
      }),
    );
    relations.push(countOf(await storeRelations(tx, facts, by)));
  }
  return { observations: sum(observations), relations: sum(relations) };
};

/** Keeps what a user remembers of derived nodes, where they remember nothing of it yet. */
export const storeMetadata = async (
  tx: Tx,
  anchors: readonly { readonly id: string; readonly metadata: JsonObject | null }[],
  { caller, scope_id, at }: Destination,
): Promise<void> => {
  const { author_id, agent } = authorOf(caller);
  for (const { id, metadata } of anchors) {
    if (metadata === null) continue;
    await sql`insert into public.memory_metadata (entity_id, scope_id, metadata, author_id, agent, updated_at)
      values (${id}, ${scope_id}, ${JSON.stringify(metadata)}::jsonb, ${author_id}, ${agent}, ${at})
      on conflict do nothing`.execute(tx);
  }
};

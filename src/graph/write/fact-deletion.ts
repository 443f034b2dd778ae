import { sql } from 'kysely';
import type { Caller } from '../../core/caller.ts';
import type { Tx } from '../../db/database.ts';
import { replanEachTime } from '../../db/pool.ts';
import type { ObservationsToDelete, RelationToDelete } from '../operations.ts';
import { theGraph } from '../read.ts';
import type { WriteDeps } from './deps.ts';
import { meantFacts, withFacts } from './facts.ts';
import { turnOf } from './places.ts';
import { digestOf } from './put.ts';
import { visibleScope } from './reach.ts';
import { endsAsked, endsAt } from './relations.ts';
import { findingsOf, type Target } from './targets.ts';

interface StoredFact {
  readonly id: string;
  readonly scope_id: string;
  readonly session_id: string | null;
}
type StoredObservation = StoredFact & { readonly entity_id: string; readonly digest: Buffer };
type StoredRelation = StoredFact & { readonly from_id: string; readonly to_id: string; readonly type: string };

const homesOf = (...targets: readonly Target[]): string[] =>
  targets.flatMap((one) => (one.derived ? [] : one.scope_id));

/** Deletes facts by what they say. What is not there counts as deleted already. */
export const createFactDeletion = ({ audit, writing, settle, targets, reach }: WriteDeps) => {
  const observationsOn = async (tx: Tx, caller: Caller, entities: readonly Target[], contents: readonly string[]) => {
    const digests = [...new Set(contents)].map((content) => digestOf(content).toString('hex'));
    const { rows } = await sql<StoredObservation>`${sql.raw(replanEachTime)}
      select o.id, o.entity_id, o.digest, o.scope_id, s.session_id from public.memory_observations as o
      join public.memory_scopes as s on s.id = o.scope_id
      where o.entity_id = any(${[...new Set(entities.map((one) => one.id))]}::uuid[])
        and o.digest = any(array(select decode(d, 'hex') from unnest(${digests}::text[]) as d))
        and ${visibleScope(caller)}`.execute(tx);
    const visible = await reach.visible(tx, caller, rows);
    return Map.groupBy(visible, (row) => `${row.entity_id} ${row.digest.toString('hex')}`);
  };

  const relationsBetween = async (tx: Tx, caller: Caller, ends: readonly Target[], types: readonly string[]) => {
    const ids = [...new Set(ends.map((one) => one.id))];
    const { rows } = await sql<StoredRelation>`${sql.raw(replanEachTime)}
      select r.id, r.from_id, r.to_id, r.type, r.scope_id, s.session_id from public.memory_relations as r
      join public.memory_scopes as s on s.id = r.scope_id
      where r.from_id = any(${ids}::uuid[]) and r.to_id = any(${ids}::uuid[])
        and r.type = any(${[...new Set(types)]}::text[]) and ${visibleScope(caller)}`.execute(tx);
    const visible = await reach.visible(tx, caller, rows);
    return Map.groupBy(visible, (row) => `${row.from_id} ${row.to_id} ${row.type}`);
  };

  const remove = async (
    tx: Tx,
    caller: Caller,
    kind: 'observations' | 'relations',
    ids: readonly string[],
  ): Promise<{ readonly deleted: number }> => {
    const { numAffectedRows } = await sql`delete from ${sql.table(`public.memory_${kind}`)}
      where id = any(${ids}::uuid[])`.execute(tx);
    const deleted = Number(numAffectedRows ?? 0);
    const operation = kind === 'observations' ? 'deleteObservations' : 'deleteRelations';
    const details = { operation, entities: 0, observations: 0, relations: 0, [kind]: deleted };
    await audit.allow(tx, caller, 'graph.delete', { target: theGraph, details });
    return { deleted };
  };

  const kindOf = (caller: Caller) => ({ action: 'graph.delete', turns: [turnOf(caller)] }) as const;

  return {
    deleteObservations: (caller: Caller, observations: readonly ObservationsToDelete[]) =>
      writing.change(caller, kindOf(caller), async (tx) => {
        const asked = observations.map((one, at) => ({ ref: one.entity, field: `observations/${at}/entity` }));
        const { value } = await settle(tx, caller, [], async (tx) => {
          const found = await targets.resolve(tx, caller, asked);
          const contents = observations.flatMap((one) => one.contents);
          const stored = await observationsOn(tx, caller, found, contents);
          const facts = observations.flatMap((one, at) => {
            const [entity] = found.slice(at, at + 1);
            return one.contents.flatMap((content, index) => {
              const same = stored.get(`${entity?.id} ${digestOf(content).toString('hex')}`) ?? [];
              const homes = entity ? homesOf(entity) : [];
              return meantFacts(caller, same, homes, `observations/${at}/contents/${index}`);
            });
          });
          const ids = facts.map((fact) => fact.id);
          return withFacts(findingsOf(null, found), facts, ids);
        });
        return await remove(tx, caller, 'observations', value);
      }),

    deleteRelations: (caller: Caller, relations: readonly RelationToDelete[]) =>
      writing.change(caller, kindOf(caller), async (tx) => {
        const { value } = await settle(tx, caller, [], async (tx) => {
          const ends = await targets.resolve(tx, caller, endsAsked(relations));
          const types = relations.map((one) => one.type);
          const stored = await relationsBetween(tx, caller, ends, types);
          const facts = relations.flatMap(({ type }, at) => {
            const { from, to } = endsAt(ends, at);
            const same = stored.get(`${from.id} ${to.id} ${type}`) ?? [];
            return meantFacts(caller, same, homesOf(from, to), `relations/${at}`);
          });
          const ids = facts.map((fact) => fact.id);
          return withFacts(findingsOf(null, ends), facts, ids);
        });
        return await remove(tx, caller, 'relations', value);
      }),
  };
};

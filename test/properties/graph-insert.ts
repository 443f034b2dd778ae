import { sql } from 'kysely';
import { type Db, inTransaction, type Tx } from '../../src/db/database.ts';
import type { MemoryEntityRow } from '../../src/db/tables/index.ts';
import { putEntities, putNames, putObservations, putRelations, putUses } from '../../src/graph/write/put.ts';
import type { Seals } from '../../src/keys/index.ts';
import type { GraphWorld, Kind, Ref } from './graph-worlds.ts';
import { insertWorld } from './worlds.ts';

/* Writes a world as the rows that it would have. */

const typeOf: Readonly<Record<Exclude<Kind, 'entity'>, string>> = {
  user: 'USER',
  session: 'SESSION',
  secret: 'SECRET',
  use: 'SECRET_USAGE',
};

const insertAnchors = async (tx: Tx, { base, observations, relations, metadata }: GraphWorld): Promise<void> => {
  const refs = [...observations, ...metadata].map((one) => one.about).concat(relations.flatMap((r) => [r.from, r.to]));
  const anchors = new Map(refs.flatMap((ref): [string, Ref][] => (ref.kind === 'entity' ? [] : [[ref.id, ref]])));
  for (const { id, kind } of anchors.values()) {
    if (kind === 'entity') continue;
    await sql`insert into public.memory_entities (id, type, attributes, tags, is_activity, secret_id, version, created_at,
        updated_at, search, keys)
      values (${id}, ${typeOf[kind]}, '{}', '[]', false, ${kind === 'secret' ? id : null}, 1, ${base.moment},
        ${base.moment}, '', '{}')`.execute(tx);
  }
};

/** The rows of the entities as they are stored, without what follows from other columns. */
const entityRows = ({ base, entities }: GraphWorld) =>
  entities.map(
    ({ id, scope, aliases, isActivity, authorId, ...entity }) =>
      ({
        ...{ id, scope_id: scope.id, type: entity.type, name: entity.name, aliases },
        ...{ attributes: entity.attributes, tags: entity.tags, is_activity: isActivity },
        ...{ author_id: authorId, agent: 'an agent', version: 1, created_at: base.moment, updated_at: base.moment },
      }) satisfies Partial<MemoryEntityRow> & { aliases: readonly string[] },
  );

const insertMemory = async (tx: Tx, world: GraphWorld): Promise<void> => {
  const { base, scopes, entities, observations, relations, metadata, uses } = world;
  for (const { id, userId, sessionId } of scopes)
    await sql`insert into public.memory_scopes values (${id}, ${userId}, ${sessionId})`.execute(tx);
  await putEntities(tx, entityRows(world));
  await putNames(
    tx,
    entities.flatMap(({ id, scope, name, aliases }) => [
      { scope_id: scope.id, name, entity_id: id, is_alias: false },
      ...aliases.map((alias) => ({ scope_id: scope.id, name: alias, entity_id: id, is_alias: true })),
    ]),
  );
  await insertAnchors(tx, world);
  const fact = { source: null, confidence: null, agent: null, created_at: base.moment };
  await putObservations(
    tx,
    observations.map((one) => ({
      ...{ ...fact, id: one.id, entity_id: one.about.id, scope_id: one.scope.id, content: one.content },
      ...{ author_id: one.authorId, valid_at: one.validAt, invalid_at: one.invalidAt },
    })),
  );
  await putRelations(
    tx,
    relations.map((one) => ({
      ...{ ...fact, id: one.id, from_id: one.from.id, to_id: one.to.id, type: one.type, scope_id: one.scope.id },
      ...{ attributes: {}, author_id: null, valid_at: one.validAt, invalid_at: one.invalidAt },
    })),
  );
  for (const one of metadata)
    await sql`insert into public.memory_metadata (entity_id, scope_id, metadata, updated_at)
      values (${one.about.id}, ${one.scope.id}, ${JSON.stringify(one.metadata)}, ${base.moment})`.execute(tx);
  for (const { id, mergedId } of entities)
    if (mergedId !== null) await sql`insert into public.memory_merges values (${mergedId}, ${id})`.execute(tx);
  await putUses(
    tx,
    uses.flatMap(({ id, activityId }) => (activityId === null ? [] : [{ use_id: id, activity_id: activityId }])),
  );
};

const useRows = ({ base, uses }: GraphWorld) =>
  uses.map((use) => ({
    ...{ id: use.id, recorded_at: base.moment, request_id: 'a world', actor_id: use.actorId, agent: 'an agent' },
    ...{ session_id: use.sessionId, token_id: null, action: use.action, target_type: 'secret' },
    ...{ target_id: use.secretId, outcome: use.outcome, reason: null, ip: null, user_agent: null },
    ...{ details: { version: 1 }, nonce: Buffer.alloc(16) },
  }));

export const insertGraphWorld = async (db: Db, seals: Seals, world: GraphWorld): Promise<void> => {
  await insertWorld(db, seals, world.base);
  await inTransaction(db, async (tx) => {
    await seals.insertAll(tx, [{ table: 'audit_log', rows: useRows(world) }]);
    await insertMemory(tx, world);
  });
};

import { sql } from 'kysely';
import { type Caller, withListPermission } from '../../core/caller.ts';
import { KeyholdError, notFound } from '../../core/errors.ts';
import { type SecretId, toId, type UserId } from '../../core/ids.ts';
import type { JsonObject } from '../../core/json.ts';
import type { Tx } from '../../db/database.ts';
import type { Secrets } from '../../secrets/index.ts';
import type { Users } from '../../users/index.ts';
import type { DerivedNode, EntityView } from '../model.ts';
import { theGraph } from '../read.ts';
import { isConfined, type Sight } from '../sight.ts';
import type { DerivedType } from '../vocabulary.ts';
import { putAnchors } from './anchors.ts';
import type { WriteDeps } from './deps.ts';
import { outsideOwnSession } from './errors.ts';
import { authorOf } from './origin.ts';
import { ownScope } from './places.ts';
import type { FindDerived } from './targets.ts';

interface Deps extends WriteDeps {
  readonly findDerived: FindDerived;
  readonly users: Pick<Users, 'lockActive' | 'byKey'>;
  readonly secrets: Pick<Secrets, 'seen'>;
}

/** Whose metadata of a node is written: their own, or, by an administrator, another user's. */
interface Remembering {
  readonly owner: UserId;
  readonly metadata: JsonObject | undefined;
}

/** Nodes of users, sessions and secrets, with what their user remembers of them. */
export const createDerivedEntities = (deps: Deps) => {
  const { clock, audit, writing, settle, reach, findDerived, users, secrets } = deps;

  const nodeOf = async (tx: Tx, sight: Sight, id: string, type: DerivedType): Promise<DerivedNode> => {
    const node = (await findDerived(tx, sight, [id])).get(id);
    if (node?.type !== type) throw notFound();
    return node;
  };

  /** What a user sees of themselves. */
  const sightOf = async (tx: Tx, caller: Caller, userId: UserId): Promise<Sight> => {
    const sight = await reach.sight(tx, caller);
    return userId === caller.userId ? sight : { ...sight, viewers: [{ ...caller, userId, session: null }] };
  };

  /** Keeps the metadata in the owner's own scope. Others than the owner can only set it where there is none. */
  const keep = async (tx: Tx, caller: Caller, node: DerivedNode, { owner, metadata }: Remembering): Promise<void> => {
    if (metadata === undefined) return;
    if (isConfined(caller)) throw outsideOwnSession();
    const place = ownScope(owner);
    const { scopeOf } = await settle(tx, caller, [place], async () => ({
      value: null,
      scopes: [],
      sessions: [],
      derived: [node],
    }));
    await putAnchors(tx, [{ ...node, derived: node }], clock.now());
    const { author_id, agent } = authorOf(caller);
    const whenThere =
      owner === caller.userId
        ? sql`update set metadata = excluded.metadata, author_id = excluded.author_id, agent = excluded.agent,
            updated_at = excluded.updated_at`
        : sql`nothing`;
    const { numAffectedRows } = await sql`insert into public.memory_metadata
        (entity_id, scope_id, metadata, author_id, agent, updated_at)
      values (${node.id}, ${scopeOf(place).id}, ${JSON.stringify(metadata)}::jsonb, ${author_id}, ${agent}, ${clock.now()})
      on conflict (entity_id, scope_id) do ${whenThere}`.execute(tx);
    if (numAffectedRows !== 1n) throw metadataThere();
  };

  /** The node with the caller's metadata. An administrator is shown nothing that another user remembers. */
  const shown = async (tx: Tx, caller: Caller, node: DerivedNode): Promise<EntityView> => {
    const { rows } = await sql<{ metadata: JsonObject }>`select m.metadata from public.memory_metadata as m
      join public.memory_scopes as s on s.id = m.scope_id
      where m.entity_id = ${node.id} and s.user_id = ${caller.userId}`.execute(tx);
    const metadata = isConfined(caller) ? null : (rows[0]?.metadata ?? null);
    return { ...node, observations: [], metadata };
  };

  const create = (
    caller: Caller,
    operation: string,
    find: (tx: Tx) => Promise<{ readonly node: DerivedNode; readonly remembering: Remembering }>,
  ): Promise<EntityView> =>
    writing.change(caller, { action: 'graph.write', turns: [caller.userId] }, async (tx) => {
      const { node, remembering } = await find(tx);
      await keep(tx, caller, node, remembering);
      const details = { operation, entities: 0, observations: 0, relations: 0 };
      await audit.allow(tx, caller, 'graph.write', { target: theGraph, details });
      return await shown(tx, caller, node);
    });

  return {
    createUserEntity: (
      caller: Caller,
      input: { readonly userId?: string; readonly username: string; readonly metadata?: JsonObject },
    ): Promise<EntityView> =>
      create(caller, 'createUserEntity', async (tx) => {
        const owner = toId<UserId>(input.userId ?? caller.userId);
        const isAdmin = caller.permissions.has('admin');
        // Said of everybody else alike, whether or not they exist.
        if (owner !== caller.userId && !isAdmin) throw ownNodeOnly();
        if ((await users.lockActive(tx, { userId: owner })) === null) throw notFound();
        if ((await users.byKey(tx, input.username))?.id !== owner) throw otherUsername();
        const node = await nodeOf(tx, await sightOf(tx, caller, owner), owner, 'USER');
        return { node, remembering: { owner, metadata: input.metadata } };
      }),

    createSessionEntity: (
      caller: Caller,
      input: { readonly sessionId: string; readonly metadata?: JsonObject },
    ): Promise<EntityView> =>
      create(caller, 'createSessionEntity', async (tx) => {
        const node = await nodeOf(tx, await reach.sight(tx, caller), toId(input.sessionId), 'SESSION');
        return { node, remembering: { owner: caller.userId, metadata: input.metadata } };
      }),

    createSecretEntity: (
      caller: Caller,
      input: { readonly secretId: string; readonly metadata?: JsonObject },
    ): Promise<EntityView> =>
      create(caller, 'createSecretEntity', async (tx) => {
        const id = toId<SecretId>(input.secretId);
        const node = await nodeOf(tx, await reach.sight(tx, caller), id, 'SECRET');
        const secret = (await secrets.seen(tx, [withListPermission(caller)], [id])).get(id);
        if (secret?.row.owner_id !== caller.userId) throw ownerOnly();
        return { node, remembering: { owner: caller.userId, metadata: input.metadata } };
      }),
  };
};

const ownNodeOnly = (): KeyholdError =>
  new KeyholdError('owner_only', 'You can do this for yourself only. Leave out user_id, or give your own id.');

const ownerOnly = (): KeyholdError => new KeyholdError('owner_only', 'Only the owner of the secret may do this.');

const otherUsername = (): KeyholdError =>
  new KeyholdError('state_conflict', 'The user has another username. Give the id and the username of one user.');

const metadataThere = (): KeyholdError =>
  new KeyholdError('state_conflict', 'This user has metadata already, which only they can change.');

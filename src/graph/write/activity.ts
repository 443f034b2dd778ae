import { sql } from 'kysely';
import type { Caller } from '../../core/caller.ts';
import { invalid, KeyholdError } from '../../core/errors.ts';
import { newId, type SessionId } from '../../core/ids.ts';
import type { Tx } from '../../db/database.ts';
import type { IdempotentRequest } from '../../idempotency/index.ts';
import type { Seals } from '../../keys/index.ts';
import type { DerivedNode } from '../model.ts';
import type { ActivityView, NewActivity } from '../operations.ts';
import { theGraph } from '../read.ts';
import { entityView } from './answers.ts';
import type { WriteDeps } from './deps.ts';
import { refuseDerivedType } from './entities.ts';
import { notFoundAt } from './errors.ts';
import { authorOf } from './origin.ts';
import { placeIn, turnsOf } from './places.ts';
import { putEntities, putNames, putObservations, putUses } from './put.ts';
import type { FindDerived } from './targets.ts';

interface Deps extends WriteDeps {
  readonly seals: Seals;
  readonly findDerived: FindDerived;
}

export const createActivityCreation = (deps: Deps) => {
  const { clock, audit, writing, places, settle, targets, reach, seals, findDerived } = deps;

  /**
   * Throws `not_found` unless each id is the record of a reveal by this caller in this session, and `state_conflict` where
   * one of these is in another activity. Another user's use, another session's and a made-up id are answered alike.
   */
  const refuseForeignUses = async (tx: Tx, caller: Caller, session_id: SessionId, ids: readonly string[]) => {
    if (ids.length === 0) return;
    const asked = {
      id: ids,
      action: 'secret.reveal',
      outcome: 'allowed',
      actor_id: caller.userId,
      session_id,
    } as const;
    const records = new Set((await seals.load(tx, 'audit_log', asked)).map((row) => row.id));
    const foreign = ids.findIndex((id) => !records.has(id));
    if (foreign !== -1) throw notFoundAt(`secrets_used/${foreign}`);
    const { rows } = await sql<{ use_id: string }>`select use_id from public.memory_uses
      where use_id = any(${ids}::uuid[])`.execute(tx);
    const taken = new Set(rows.map((row) => row.use_id));
    const at = ids.findIndex((id) => taken.has(id));
    if (at !== -1) throw usedElsewhere(`secrets_used/${at}`);
  };

  const create = async (tx: Tx, caller: Caller, input: NewActivity): Promise<string[]> => {
    const wanted = await places(tx, caller, [input]);
    const place = placeIn(wanted, input.session_id);
    const { session_id } = place;
    if (session_id === null) throw outsideSession();
    const { scopeOf } = await settle(tx, caller, [place], noFindings);
    const uses = [...new Set((input.secrets_used ?? []).map((id) => id.toLowerCase()))];
    await refuseForeignUses(tx, caller, session_id, uses);
    const scope_id = scopeOf(place).id;
    const id = newId<string>();
    // The time and a random part make it a name that nobody else has given.
    const name = `${input.type} ${id}`;
    const at = clock.now();
    const author = authorOf(caller);
    const activity = { id, scope_id, type: input.type, name, attributes: {}, tags: [], is_activity: true };
    await putEntities(tx, [{ ...activity, ...author, version: 1, created_at: at, updated_at: at }]);
    await putNames(tx, [{ scope_id, name, entity_id: id, is_alias: false }]);
    const fact = { entity_id: id, scope_id, content: input.content, source: null, confidence: null };
    const times = { valid_at: null, invalid_at: null, created_at: at };
    await putObservations(tx, [{ id: newId(), ...fact, ...author, ...times }]);
    await putUses(
      tx,
      uses.map((use_id) => ({ use_id, activity_id: id })),
    );
    const counts = { entities: 1, observations: 1, relations: 0 };
    const details = { operation: 'createActivity', ...counts, session_ids: [session_id] };
    await audit.allow(tx, caller, 'graph.write', { target: theGraph, details });
    return [id];
  };

  /** Those uses of an activity that the caller may see. */
  const usesOf = async (tx: Tx, caller: Caller, id: string): Promise<DerivedNode[]> => {
    const { rows } = await sql<{ use_id: string }>`select use_id from public.memory_uses where activity_id = ${id}
      order by use_id`.execute(tx);
    const ids = rows.map((row) => row.use_id);
    if (ids.length === 0) return [];
    const found = await findDerived(tx, await reach.sight(tx, caller), ids);
    return ids.flatMap((use) => found.get(use) ?? []);
  };

  return {
    createActivity: async (
      caller: Caller,
      input: NewActivity,
      request: IdempotentRequest | null,
    ): Promise<ActivityView> => {
      refuseDerivedType(input.type, 'type');
      return await writing.create(caller, turnsOf(caller, [input]), {
        request,
        create: (tx) => create(tx, caller, input),
        answer: async (tx, ids, repeated) => {
          const [id = ''] = repeated ? await targets.stillSeen(tx, caller, ids) : ids;
          return { entity: await entityView(tx, id), uses: await usesOf(tx, caller, id) };
        },
      });
    },
  };
};

const noFindings = async () => ({ value: null, scopes: [], sessions: [], derived: [] });

const outsideSession = (): KeyholdError =>
  invalid('session_id', 'is needed, since activities belong to a session. Name one, or send the header X-Session-Id.');

const usedElsewhere = (field: string): KeyholdError =>
  new KeyholdError('state_conflict', 'This use belongs to another activity already. Each use is named once.', {
    errors: [{ field, detail: 'belongs to another activity already.' }],
  });

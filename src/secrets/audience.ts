import { isDeepStrictEqual } from 'node:util';
import type { SecretId, SessionId, UserId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import type { Db } from '../db/database.ts';
import type { SecretRow } from '../db/tables/index.ts';
import type { EventType, NewEvent } from '../events/index.ts';
import type { Sessions } from '../sessions/index.ts';
import type { ChangeAction } from './change-action.ts';

/** The part of a secret that says who has access to it. */
export type AudienceOf = Pick<SecretRow, 'owner_id' | 'scope' | 'session_id' | 'shared_with'>;

/** A secret at the revision that a change made. */
type Changed = AudienceOf & Pick<SecretRow, 'id' | 'revision'>;

export interface Audience {
  /** Everybody who has access to the secret by its scope: the owner, and its grantees or the participants present. */
  of(db: Db, secret: AudienceOf): Promise<readonly UserId[]>;
  /** What is told of new secrets, in their order. */
  created(db: Db, secrets: readonly Changed[]): Promise<readonly NewEvent[]>;
  /** What is told of a change, with the details of its record. A change that changes nothing is told to nobody. */
  changed(
    db: Db,
    action: ChangeAction,
    changed: { readonly before: SecretRow; readonly after: SecretRow; readonly details: JsonObject },
  ): Promise<readonly NewEvent[]>;
}

/** What each change of a secret is called when people are told of it. */
const eventTypeOf = {
  'secret.create': 'secret.created',
  'secret.update': 'secret.updated',
  'secret.value_set': 'secret.updated',
  'secret.version_restore': 'secret.updated',
  'secret.share': 'secret.shared',
  'secret.unshare': 'secret.unshared',
  'secret.activate': 'secret.activated',
  'secret.deactivate': 'secret.deactivated',
  'secret.delete': 'secret.deleted',
  'secret.purge': 'secret.purged',
  'secret.recover': 'secret.recovered',
  'secret.transfer': 'secret.moved',
  'handover.offer': 'handover.offered',
} as const satisfies Readonly<Record<ChangeAction, EventType>>;

interface Deps {
  readonly sessions: Pick<Sessions, 'presentUsers'>;
}

/** Who is told of changes of secrets, in one place. */
export const createAudience = ({ sessions }: Deps): Audience => {
  const inSession = async (db: Db, session: string | null): Promise<readonly UserId[]> =>
    session === null ? [] : await sessions.presentUsers(db, session as SessionId);

  const of: Audience['of'] = async (db, { owner_id, scope, session_id, shared_with }) => {
    if (scope === 'shared') return [owner_id, ...shared_with];
    return scope === 'session' ? [owner_id, ...(await inSession(db, session_id))] : [owner_id];
  };

  /** Sharing concerns the owner and that one user only; a move, those who had access and those who have it now. */
  const toldOf = async (
    db: Db,
    action: ChangeAction,
    { before, after }: { readonly before: SecretRow; readonly after: SecretRow },
    { user_id }: JsonObject,
  ): Promise<readonly UserId[]> => {
    if (action === 'secret.share' || action === 'secret.unshare') return [after.owner_id, user_id as UserId];
    return action === 'secret.transfer' ? [...(await of(db, before)), ...(await of(db, after))] : await of(db, after);
  };

  return {
    of,
    created: async (db, secrets) => {
      const sessionIds = new Set(secrets.flatMap(({ scope, session_id }) => (scope === 'session' ? session_id : [])));
      const present = new Map<string | null, readonly UserId[]>();
      for (const id of sessionIds) present.set(id, await inSession(db, id));
      return secrets.map(({ id, revision, owner_id, shared_with, session_id }) => ({
        type: 'secret.created',
        to: [owner_id, ...shared_with, ...(present.get(session_id) ?? [])],
        secret: { id, revision },
        ...inSessionOf(session_id),
      }));
    },
    changed: async (db, action, { before, after, details }) => {
      if (action !== 'secret.purge' && isSame(before, after)) return [];
      const to = await toldOf(db, action, { before, after }, details);
      const secret: { id: SecretId; revision: number } = { id: after.id, revision: after.revision };
      const where = inSessionOf(after.session_id ?? before.session_id);
      return [{ type: eventTypeOf[action], to, secret, ...where, details }];
    },
  };
};

/** Where an event about a secret happened. */
export const inSessionOf = (session: string | null) => (session === null ? {} : { sessionId: session as SessionId });

/** Whether nothing was changed but what every change leaves behind. */
const isSame = (before: SecretRow, after: SecretRow): boolean =>
  isDeepStrictEqual(essence(before), essence({ ...before, ...after }));

const essence = ({ revision: _revision, updated_at: _updated, seal: _seal, ...rest }: SecretRow) => rest;

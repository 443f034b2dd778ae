import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import { KeyholdError, loginNeeded } from '../core/errors.ts';
import type { Permission } from '../core/permissions.ts';
import type { Db } from '../db/database.ts';
import type { Limits, Sender } from './limits.ts';

/** What a request presents to say who sends it, whichever protocol it came by. */
export interface Presented extends Sender {
  readonly token: string;
  /** The session that the request itself names; null where it names none. */
  readonly sessionName: string | null;
}

/**
 * Makes a Caller of a request, afresh each time. Throws `unauthenticated` or `session_not_joined`. With `outsideSession`, the
 * caller may come with names of sessions that were not verified.
 */
export type Authenticate = (presented: Presented, outsideSession: boolean) => Promise<Caller>;

/** What a caller needs to be let in: any valid credential, or one that is a login or holds one of the permissions. */
export type Requirement = 'authenticated' | { readonly login?: true; readonly anyOf?: readonly Permission[] };

export interface Operation {
  /** Its name in the record of a refusal: the pattern of a route, the name of a tool; never anything that was sent. */
  readonly name: string;
  readonly requires: Requirement;
  /**
   * True for what somebody does who is not yet in the session that the request names: start it, or join it. Its service
   * settles `sessionNames.unverified` of the caller, or refuses with `session_not_joined`.
   */
  readonly outsideSession?: true;
}

/**
 * The one way in, for every protocol: `admit` each request as it comes, `enter` the operation that it asks for, and do the
 * work within `serve`.
 */
export interface Gate {
  /** Counts the request. Throws `rate_limited` when its sender has used up this second. */
  admit(sender: Sender): void;
  /**
   * Resolves to the caller, before anything is looked up. Throws `unauthenticated`, `session_not_joined` or
   * `permission_missing`; the refusal of a credential that was real is committed to the audit log by then.
   */
  enter(presented: Presented, operation: Operation): Promise<Caller>;
  /** Waits for the request's answer. What a domain's own limit turns away is counted, and recorded once a minute. */
  serve<T>(sender: Sender, answer: Promise<T>): Promise<T>;
}

interface Deps {
  readonly db: Db;
  readonly audit: Audit;
  readonly authenticate: Authenticate;
  readonly limits: Pick<Limits, 'admit' | 'remember' | 'forget' | 'turnedAway'>;
}

export const createGate = ({ db, audit, authenticate, limits }: Deps): Gate => {
  const identify = async (presented: Presented, outsideSession: boolean): Promise<Caller> => {
    try {
      return await authenticate(presented, outsideSession);
    } catch (error) {
      if (hasCode(error, 'unauthenticated')) limits.forget(presented);
      throw error;
    }
  };

  return {
    admit: limits.admit,
    enter: async (presented, { name, requires, outsideSession = false }) => {
      const caller = await identify(presented, outsideSession);
      limits.remember(presented, caller.userId);
      if (requires === 'authenticated' || fulfils(caller, requires)) return caller;
      await audit.recordAlone(db, caller, {
        action: 'request.refused',
        target: { type: 'route', id: null },
        outcome: 'refused',
        reason: 'permission_missing',
        details: { route: name },
      });
      throw missing(requires);
    },
    serve: async (sender, answer) => {
      try {
        return await answer;
      } catch (error) {
        if (hasCode(error, 'rate_limited')) limits.turnedAway(sender);
        throw error;
      }
    },
  };
};

type Narrow = Exclude<Requirement, 'authenticated'>;

const hasCode = (error: unknown, code: KeyholdError['code']): boolean =>
  error instanceof KeyholdError && error.code === code;

/** A login belongs to a person, ours or an external issuer's. An agent that acts by one does not count as that person. */
const fulfils = (caller: Caller, { login, anyOf = [] }: Narrow): boolean =>
  (login === true && caller.credential.kind !== 'token' && caller.agent === null) ||
  anyOf.some((permission) => caller.permissions.has(permission));

const missing = ({ login, anyOf = [] }: Narrow): KeyholdError => {
  if (anyOf.length === 0) return loginNeeded();
  const permission = `the permission ${anyOf.join(' or ')}`;
  return new KeyholdError('permission_missing', `This needs ${login ? `a login or ${permission}` : permission}.`);
};

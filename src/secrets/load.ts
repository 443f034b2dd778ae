import {
  type AccessBasis,
  type Action,
  decide,
  isPresent,
  isSessionActive,
  type Refusal,
  type SecretFacts,
  type Subject,
  waitingPeriod,
} from '../access/index.ts';
import type { Caller } from '../core/caller.ts';
import { type Clock, later } from '../core/clock.ts';
import { KeyholdError, notFound } from '../core/errors.ts';
import {
  idsOf,
  type OwnerKeyId,
  type SecretId,
  type SessionId,
  type UserId,
  type VerifiedSessionId,
} from '../core/ids.ts';
import type { Db } from '../db/database.ts';
import type { RawRow } from '../db/json-rows.ts';
import type { OwnerKeyRow, SecretRow } from '../db/tables/index.ts';
import { integrityBroken, type Seals } from '../keys/index.ts';
import { createRefusalEntries, type RefusalEntries } from './broken.ts';
import {
  type BundleOptions,
  type CallerRowIds,
  type LockMode,
  loadSecretBundle,
  type SecretBundle,
} from './queries.ts';
import { factsOf } from './secret.ts';

/** A secret whose row and surroundings were verified, ready to be decided about at `now`. */
export interface Loaded {
  readonly row: SecretRow;
  readonly facts: SecretFacts;
  readonly key: OwnerKeyRow | null;
  readonly now: Date;
}

/** What the rule says to one question. `broken` means that the secret's row is not as the service wrote it. */
export type Evaluation =
  | { readonly kind: 'allowed'; readonly loaded: Loaded; readonly basis: AccessBasis }
  | { readonly kind: 'refused'; readonly error: KeyholdError; readonly reason: Refusal }
  | { readonly kind: 'broken'; readonly error: KeyholdError; readonly ownerId: UserId | null };

const stateSentences = {
  inactive: 'This secret is inactive. Activate it first.',
  expired: 'This secret has expired. Give it a later expires_at first.',
  deleted: 'This secret is deleted. Recover it first.',
} as const;

const refusalError = (reason: Refusal): KeyholdError => {
  switch (reason) {
    case 'permission':
      return new KeyholdError('permission_missing', 'This credential does not have the permission for this.');
    case 'waiting':
      return waitingPeriod();
    case 'nothing':
      return notFound();
    case 'owner_only':
      return new KeyholdError('owner_only', 'Only the owner of the secret may do this.');
    case 'use_only':
      return new KeyholdError('use_only', 'The owner allows this secret to be used, but not revealed.');
    case 'inactive':
    case 'expired':
    case 'deleted':
      return new KeyholdError('state_conflict', stateSentences[reason]);
  }
};

interface Deps {
  readonly seals: Seals;
  readonly clock: Clock;
}

export interface LoadOptions {
  readonly lock?: LockMode;
  readonly value?: boolean;
}

/** One question to the rule. Questions of several callers can be asked together; each is answered for its own. */
export interface Question {
  readonly caller: Subject;
  readonly action: Action;
  readonly id: SecretId;
}

/** A question of an authenticated caller, whose own rows are read by the same statement. */
export interface CallerQuestion extends Question {
  readonly caller: Caller;
}

/** `changed` where the rows that let the caller in are no longer as they were. Nothing is decided then. */
export type CallerEvaluation = Evaluation | { readonly kind: 'changed' };

export interface Load extends RefusalEntries {
  /** Answers each question by its place. A secret that doesn't exist is refused like one that is foreign. */
  evaluateAll(db: Db, asks: readonly Question[], options?: LoadOptions): Promise<readonly Evaluation[]>;
  /**
   * As `evaluateAll`, for callers who were let in before, outside of a transaction: one statement sees the rows that let
   * them in and the secrets, so that every answer was right at one moment.
   */
  evaluateWithCallers(
    db: Db,
    asks: readonly CallerQuestion[],
    options?: Pick<LoadOptions, 'value'>,
  ): Promise<readonly CallerEvaluation[]>;
  /** Asks the same about several secrets, for one caller. */
  evaluate(db: Db, caller: Caller, action: Action, ids: readonly SecretId[]): Promise<Map<SecretId, Evaluation>>;
  evaluateOne(db: Db, question: Question, options?: LoadOptions): Promise<Evaluation>;
}

/** What a statement was asked for. */
interface Asked {
  readonly ids: readonly SecretId[];
  readonly sessions: readonly VerifiedSessionId[];
  readonly users: readonly UserId[];
}

/** What was found, with every seal verified and every row compared with what it was asked by. */
interface Verified {
  readonly now: Date;
  readonly secrets: ReadonlyMap<SecretId, SecretRow>;
  /** Rows of the secrets asked for whose seals are broken; nothing in them is true. */
  readonly broken: ReadonlyMap<SecretId, RawRow>;
  readonly activeOwners: ReadonlySet<UserId>;
  /** `session user` of the owners, and of the callers, who are present. */
  readonly presences: ReadonlySet<string>;
  readonly keys: ReadonlyMap<OwnerKeyId, OwnerKeyRow>;
  /** The seals of the callers' rows, by table and id. */
  readonly seals: ReadonlyMap<string, unknown>;
  readonly activeSessions: ReadonlySet<SessionId>;
}

const versionKey = (table: string, id: unknown): string => `${table} ${id}`;

const callerRowIdsOf = (callers: readonly Caller[]): CallerRowIds => {
  const idsIn = (name: string): string[] => [
    ...new Set(
      callers.flatMap((caller) =>
        caller.verifiedRows.flatMap(({ table, columns }) => (table === name ? [String(columns['id'])] : [])),
      ),
    ),
  ];
  return { tokens: idsIn('tokens'), logins: idsIn('logins'), users: idsOf<UserId>(idsIn('users')) };
};

const isSame = (seal: unknown, verified: Uint8Array): boolean =>
  seal instanceof Uint8Array && Buffer.compare(seal, verified) === 0;

const presenceKey = (session: string | null, user: UserId): string => `${session} ${user}`;

export const createLoad = ({ seals, clock }: Deps): Load => {
  const verify = ({ dbNow, rows, callers }: SecretBundle, { ids, sessions, users }: Asked): Verified => {
    const now = later(clock.now(), dbNow);
    const secrets = new Map(seals.verify('secrets', rows.secrets, { id: ids }).map((row) => [row.id, row]));
    const left = rows.secrets.filter((row) => !secrets.has(row['id'] as SecretId));
    const owner_ids = [...secrets.values()].map((row) => row.owner_id);
    const key_ids = [...secrets.values()].map((row) => row.key_id);
    const owners = seals.verify('users', rows.owners, { id: owner_ids, status: 'active' });
    const asked = { session_id: sessions, user_id: [...owner_ids, ...users], left_at: null };
    const present = seals.verify('session_participants', rows.presences, asked).filter(isPresent);
    const keys = seals.verify('owner_keys', rows.keys, { id: key_ids });
    const found = seals.verify('sessions', callers.sessions, { id: sessions });
    const versionsIn = (table: 'tokens' | 'logins' | 'users') =>
      callers[table].map((row) => [versionKey(table, row['id']), row['seal']] as const);
    return {
      now,
      secrets,
      broken: new Map(left.map((row) => [row['id'] as SecretId, row])),
      activeOwners: new Set(owners.map((row) => row.id)),
      presences: new Set(present.map((row) => presenceKey(row.session_id, row.user_id))),
      keys: new Map(keys.map((row) => [row.id, row])),
      seals: new Map([...versionsIn('tokens'), ...versionsIn('logins'), ...versionsIn('users')]),
      activeSessions: new Set(found.filter((row) => isSessionActive(row, now)).map((row) => row.id)),
    };
  };

  const loadedOf = (row: SecretRow, caller: Subject, verified: Verified): Loaded => {
    const active = verified.activeOwners.has(row.owner_id);
    const present = verified.presences.has(presenceKey(caller.session, row.owner_id));
    const key = verified.keys.get(row.key_id);
    const own = key !== undefined && key.owner_id === row.owner_id;
    return { row, facts: factsOf(row, { active, present }), key: own ? key : null, now: verified.now };
  };

  const decided = (caller: Subject, action: Action, loaded: Loaded | null): Evaluation => {
    const decision = decide(caller, action, loaded?.facts ?? null, loaded?.now ?? clock.now());
    if (loaded && decision.allowed) return { kind: 'allowed', loaded, basis: decision.basis };
    const reason = decision.allowed ? 'nothing' : decision.reason;
    return { kind: 'refused', error: refusalError(reason), reason };
  };

  /** A broken row is a 404 to everybody except the user whom it names as owner, who gets `integrity_broken`. */
  const brokenFor = (caller: Subject, row: RawRow): Evaluation => ({
    kind: 'broken',
    error: row['owner_id'] === caller.userId ? integrityBroken() : notFound(),
    ownerId: idsOf<UserId>([row['owner_id']])[0] ?? null,
  });

  const answer = ({ caller, action, id }: Question, verified: Verified): Evaluation => {
    const row = verified.secrets.get(id);
    if (row) return decided(caller, action, loadedOf(row, caller, verified));
    const broken = verified.broken.get(id);
    return broken ? brokenFor(caller, broken) : decided(caller, action, null);
  };

  const read = async (
    db: Db,
    questions: readonly Question[],
    { lock = 'none', value = false, callers }: LoadOptions & Pick<BundleOptions, 'callers'>,
  ): Promise<Verified> => {
    const ids = [...new Set(questions.map((question) => question.id))];
    const sessions = [...new Set(questions.flatMap((question) => question.caller.session ?? []))];
    const options = { lock, value, ...(callers === undefined ? {} : { callers }) };
    const bundle = await loadSecretBundle(db, ids, sessions, options);
    return verify(bundle, { ids, sessions, users: callers?.users ?? [] });
  };

  const evaluateAll: Load['evaluateAll'] = async (db, questions, options = {}) => {
    const verified = await read(db, questions, options);
    return questions.map((question) => answer(question, verified));
  };

  /** Whether the rows that let this caller in are as they were, and let them in at this moment. */
  const isLetIn = ({ verifiedRows, expiresAt, session, userId }: Caller, verified: Verified): boolean =>
    verifiedRows.every(({ table, columns, seal }) =>
      isSame(verified.seals.get(versionKey(table, columns['id'])), seal),
    ) &&
    (expiresAt === null || expiresAt.getTime() > verified.now.getTime()) &&
    (session === null ||
      (verified.activeSessions.has(session) && verified.presences.has(presenceKey(session, userId))));

  const evaluateWithCallers: Load['evaluateWithCallers'] = async (db, questions, options = {}) => {
    const callers = callerRowIdsOf(questions.map((one) => one.caller));
    const verified = await read(db, questions, { ...options, callers });
    return questions.map((one) => (isLetIn(one.caller, verified) ? answer(one, verified) : { kind: 'changed' }));
  };

  return {
    ...createRefusalEntries(clock),
    evaluateAll,
    evaluateWithCallers,
    evaluate: async (db, caller, action, ids) => {
      const questions = ids.map((id) => ({ caller, action, id }));
      const evaluations = await evaluateAll(db, questions);
      return new Map(ids.map((id, at) => [id, evaluations[at] as Evaluation]));
    },
    evaluateOne: async (db, question, options) => (await evaluateAll(db, [question], options))[0] as Evaluation,
  };
};

import {
  type AccessBasis,
  type Action,
  decide,
  isPresent,
  type Refusal,
  type SecretFacts,
  type Subject,
  waitingPeriod,
} from '../access/index.ts';
import type { Caller } from '../core/caller.ts';
import { type Clock, later } from '../core/clock.ts';
import { KeyholdError, notFound } from '../core/errors.ts';
import { idsOf, type OwnerKeyId, type SecretId, type UserId, type VerifiedSessionId } from '../core/ids.ts';
import type { Db } from '../db/database.ts';
import type { RawRow } from '../db/json-rows.ts';
import type { OwnerKeyRow, SecretRow } from '../db/tables/index.ts';
import { integrityBroken, type Seals } from '../keys/index.ts';
import { createRefusalEntries, type RefusalEntries } from './broken.ts';
import { type LockMode, loadSecretBundle, type SecretBundle } from './queries.ts';
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

export interface Load extends RefusalEntries {
  /** Answers each question by its place. A secret that doesn't exist is refused like one that is foreign. */
  evaluateAll(db: Db, asks: readonly Question[], options?: LoadOptions): Promise<readonly Evaluation[]>;
  /** Asks the same about several secrets, for one caller. */
  evaluate(db: Db, caller: Caller, action: Action, ids: readonly SecretId[]): Promise<Map<SecretId, Evaluation>>;
  evaluateOne(db: Db, question: Question, options?: LoadOptions): Promise<Evaluation>;
}

/** What was found, with every seal verified and every row compared with what it was asked by. */
interface Verified {
  readonly now: Date;
  readonly secrets: ReadonlyMap<SecretId, SecretRow>;
  /** Rows of the secrets asked for whose seals are broken; nothing in them is true. */
  readonly broken: ReadonlyMap<SecretId, RawRow>;
  readonly activeOwners: ReadonlySet<UserId>;
  /** `session user` of the owners who are present. */
  readonly presences: ReadonlySet<string>;
  readonly keys: ReadonlyMap<OwnerKeyId, OwnerKeyRow>;
}

const presenceKey = (session: string | null, user: UserId): string => `${session} ${user}`;

export const createLoad = ({ seals, clock }: Deps): Load => {
  const verify = (
    { dbNow, rows }: SecretBundle,
    ids: readonly SecretId[],
    sessions: readonly VerifiedSessionId[],
  ): Verified => {
    const secrets = new Map(seals.verify('secrets', rows.secrets, { id: ids }).map((row) => [row.id, row]));
    const left = rows.secrets.filter((row) => !secrets.has(row['id'] as SecretId));
    const owner_ids = [...secrets.values()].map((row) => row.owner_id);
    const key_ids = [...secrets.values()].map((row) => row.key_id);
    const owners = seals.verify('users', rows.owners, { id: owner_ids, status: 'active' });
    const asked = { session_id: sessions, user_id: owner_ids, left_at: null };
    const present = seals.verify('session_participants', rows.presences, asked).filter(isPresent);
    const keys = seals.verify('owner_keys', rows.keys, { id: key_ids });
    return {
      now: later(clock.now(), dbNow),
      secrets,
      broken: new Map(left.map((row) => [row['id'] as SecretId, row])),
      activeOwners: new Set(owners.map((row) => row.id)),
      presences: new Set(present.map((row) => presenceKey(row.session_id, row.user_id))),
      keys: new Map(keys.map((row) => [row.id, row])),
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

  const evaluateAll: Load['evaluateAll'] = async (db, questions, { lock = 'none', value = false } = {}) => {
    const ids = [...new Set(questions.map((question) => question.id))];
    const sessions = [...new Set(questions.flatMap((question) => question.caller.session ?? []))];
    const verified = verify(await loadSecretBundle(db, ids, sessions, { lock, value }), ids, sessions);
    return questions.map((question) => answer(question, verified));
  };

  return {
    ...createRefusalEntries(clock),
    evaluateAll,
    evaluate: async (db, caller, action, ids) => {
      const questions = ids.map((id) => ({ caller, action, id }));
      const evaluations = await evaluateAll(db, questions);
      return new Map(ids.map((id, at) => [id, evaluations[at] as Evaluation]));
    },
    evaluateOne: async (db, question, options) => (await evaluateAll(db, [question], options))[0] as Evaluation,
  };
};

import type { Action, Mutate } from '../access/index.ts';
import type { Audit, AuditAction, AuditDetails, AuditEntry } from '../audit/index.ts';
import { createBatcher } from '../core/batch.ts';
import type { Caller } from '../core/caller.ts';
import { type Clock, later } from '../core/clock.ts';
import { KeyholdError } from '../core/errors.ts';
import type { SecretId } from '../core/ids.ts';
import { databaseNow } from '../db/checks.ts';
import { type Db, mapDbErrors, type Outcome, refusedWith, type Tx } from '../db/database.ts';
import { isUnavailable, violatedIndex } from '../db/postgres-errors.ts';
import type { SealedTableName, SecretRow } from '../db/tables/index.ts';
import type { Idempotency } from '../idempotency/index.ts';
import { integrityBroken, type OwnerKeys, type Seals } from '../keys/index.ts';
import type { Sessions } from '../sessions/index.ts';
import type { Users } from '../users/index.ts';
import {
  createLoad,
  type Evaluation,
  type Load,
  type Loaded,
  type LoadOptions,
  type Question,
  refusalEntry,
} from './load.ts';
import { namesInPlace } from './queries.ts';
import { type SecretView, viewOf } from './view.ts';

export interface SecretsDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly seals: Seals;
  readonly ownerKeys: OwnerKeys;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly idempotency: Idempotency;
  readonly users: Users;
  readonly sessions: Sessions;
  readonly versionsKept: number;
}

/** Actions that change one secret. Their records name the new revision. */
export type ChangeAction = {
  [A in AuditAction]: A extends `secret.${string}` ? (AuditDetails[A] extends { revision: number } ? A : never) : never;
}[AuditAction];

/** What the record of a change says beside the new revision. */
export type ChangeDetails<A extends ChangeAction> = Omit<AuditDetails[A], 'revision'>;

/** One secret that a change is about, locked until the transaction ends. */
export interface LockedSecret<A extends ChangeAction> {
  readonly tx: Tx;
  readonly loaded: Loaded;
  /** Writes the changes under a new revision, with the record of the action. */
  write(changes: Partial<SecretRow>, details: ChangeDetails<A>): Promise<SecretView>;
  /** Records the action, with the revision that the secret has. */
  record(details: ChangeDetails<A>): Promise<void>;
  /** Refuses, on the record. */
  refuse(error: KeyholdError): Promise<{ readonly refused: KeyholdError }>;
  /** Refuses, on the record, because a value in this table doesn't open. Broken seals are recorded where they are met. */
  valueBroken(table: SealedTableName): Promise<{ readonly refused: KeyholdError }>;
}

/** Which secret is changed, by what action of the rule, and what the record calls it. */
export interface Change<A extends ChangeAction> extends ChangeOptions {
  readonly id: SecretId;
  readonly action: Action;
  readonly as: A;
}

export interface ChangeOptions extends LoadOptions {
  /** The revision that the client saw (If-Match); null where it named none. */
  readonly revision?: number | null;
}

export interface SecretsContext extends SecretsDeps {
  readonly load: Load;
  now(handle: Db): Promise<Date>;
  /** Looks at one secret and records it; throws what the rule refuses. */
  look(caller: Caller, action: Action, as: LookAction, id: SecretId): Promise<{ loaded: Loaded; view: SecretView }>;
  /** The way of every change of one secret: revalidate the caller, lock, verify, decide, then `work`. */
  change<T, A extends ChangeAction>(
    caller: Caller,
    change: Change<A>,
    work: (locked: LockedSecret<A>) => Promise<Outcome<T>>,
  ): Promise<T>;
  /** As `change`, inside a transaction that has revalidated its caller already. */
  changeIn<T, A extends ChangeAction>(
    tx: Tx,
    caller: Caller,
    change: Change<A>,
    work: (locked: LockedSecret<A>) => Promise<Outcome<T>>,
  ): Promise<Outcome<T>>;
  /** Refuses a name that the owner has already in that place, before the index would end the transaction. */
  nameTaken(tx: Tx, row: Pick<SecretRow, 'id' | 'owner_id' | 'name' | 'session_id'>): Promise<KeyholdError | null>;
}

const nameTaken = (cause?: unknown): KeyholdError =>
  new KeyholdError('name_taken', 'A secret of this name is there already. Choose another name or change that secret.', {
    cause,
  });

const revisionMismatch = (): KeyholdError =>
  new KeyholdError(
    'revision_mismatch',
    'The secret was changed since you read it. Read it again and repeat the change.',
  );

const nameIndices = new Set(['ux_secrets_owner_name', 'ux_secrets_session_owner_name']);

/** Turns the lost race for a name into the answer that the check before would have given. */
export const orNameTaken = async <T>(work: Promise<T>): Promise<T> => {
  try {
    return await work;
  } catch (error) {
    if (nameIndices.has(violatedIndex(error) ?? '')) throw nameTaken(error);
    throw error;
  }
};

/** A question to the rule, and what the record calls it. */
interface Look extends Question {
  readonly as: LookAction;
}

/** Actions that look at one secret, and have no details. */
export type LookAction = 'secret.get' | 'secret.access_list' | 'secret.versions_list';

const lookEntry = (as: LookAction, id: SecretId, evaluated: Evaluation): AuditEntry =>
  evaluated.kind === 'allowed'
    ? { action: as, target: { type: 'secret', id }, outcome: 'allowed', reason: evaluated.because, details: {} }
    : refusalEntry(as, id, evaluated);

export const createContext = (deps: SecretsDeps): SecretsContext => {
  const { db, clock, seals, audit, mutate } = deps;
  const load = createLoad({ seals, clock });

  const lockedSecret = <A extends ChangeAction>(tx: Tx, caller: Caller, as: A, loaded: Loaded): LockedSecret<A> => {
    const target = { type: 'secret', id: loaded.row.id } as const;
    const record = (revision: number, details: ChangeDetails<A>): Promise<void> =>
      audit.allow(tx, caller, as, {
        target,
        reason: 'owner',
        details: { revision, ...details } as unknown as AuditDetails[A],
      });
    return {
      tx,
      loaded,
      write: async (changes, details) => {
        const revision = loaded.row.revision + 1;
        const changed = await seals.update(tx, 'secrets', loaded.row, {
          ...changes,
          revision,
          updated_at: clock.now(),
        });
        await record(revision, details);
        return viewOf(changed, caller.userId === changed.owner_id ? 'owner' : 'shared', caller.userId, loaded.now);
      },
      record: (details) => record(loaded.row.revision, details),
      refuse: (error) => audit.refuse(tx, caller, as, target, error),
      valueBroken: async (table) => {
        await audit.record(tx, caller, {
          action: 'row.integrity_broken',
          target,
          outcome: 'failed',
          reason: 'value',
          details: { table, during: as },
        });
        return refusedWith(integrityBroken());
      },
    };
  };

  const changeIn: SecretsContext['changeIn'] = async (tx, caller, { id, action, as, ...options }, work) => {
    const evaluated = await load.evaluateOne(tx, caller, action, id, { ...options, lock: 'update' });
    if (evaluated.kind !== 'allowed') {
      await audit.record(tx, caller, refusalEntry(as, id, evaluated));
      return refusedWith(evaluated.error);
    }
    const locked = lockedSecret(tx, caller, as, evaluated.loaded);
    const stale = options.revision != null && options.revision !== evaluated.loaded.row.revision;
    return stale ? await locked.refuse(revisionMismatch()) : await work(locked);
  };

  /** Looks that arrive together are decided, recorded and flushed together. */
  const lookTogether = createBatcher<Look, Evaluation>(
    async (looks) => {
      const evaluated = await mapDbErrors(load.evaluateAll(db, looks));
      const records = looks.map(({ caller, as, id }, at) => ({
        actor: caller,
        entry: lookEntry(as, id, evaluated[at] as Evaluation),
      }));
      await audit.commit(db, records);
      return evaluated;
    },
    { maxBatchSize: 64, concurrency: 3, isSharedFailure: isUnavailable },
  );

  return {
    ...deps,
    load,
    now: async (handle) => later(clock.now(), await databaseNow(handle)),

    look: async (caller, action, as, id) => {
      const evaluated = await lookTogether({ caller, action, as, id });
      if (evaluated.kind !== 'allowed') throw evaluated.error;
      return {
        loaded: evaluated.loaded,
        view: viewOf(evaluated.loaded.row, evaluated.because, caller.userId, evaluated.loaded.now),
      };
    },

    changeIn,
    change: (caller, change, work) => orNameTaken(mutate(caller, (tx) => changeIn(tx, caller, change, work))),

    nameTaken: async (tx, row) => {
      const taken = (await namesInPlace(tx, row.owner_id, row.session_id, [row.name])).get(row.name);
      return taken !== undefined && taken !== row.id ? nameTaken() : null;
    },
  };
};

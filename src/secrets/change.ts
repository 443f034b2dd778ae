import type { Action, Mutate } from '../access/index.ts';
import type { Audit, AuditDetails } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { KeyholdError } from '../core/errors.ts';
import type { SecretId } from '../core/ids.ts';
import type { JsonObject } from '../core/json.ts';
import { type Outcome, refusedWith, type Tx } from '../db/database.ts';
import type { SealedTableName, SecretRow } from '../db/tables/index.ts';
import type { NewEvent } from '../events/index.ts';
import { integrityBroken, type Seals } from '../keys/index.ts';
import type { Audience } from './audience.ts';
import type { ChangeAction, ChangeDetails } from './change-action.ts';
import type { Load, Loaded } from './load.ts';
import { orNameTaken } from './names.ts';
import { type SecretView, viewOf } from './view.ts';

/** The revision that the client saw (If-Match); null or absent where it named none. */
export interface ExpectedRevision {
  readonly revision?: number | null;
}

/** Which secret is changed, by which action of the rule, and what the record calls it. */
export interface Change<A extends ChangeAction> extends ExpectedRevision {
  readonly id: SecretId;
  readonly action: Action;
  readonly as: A;
  /** True where the work needs the encrypted value. */
  readonly value?: boolean;
}

/** The secret that a change is about, locked until the transaction ends. */
export interface LockedSecret<A extends ChangeAction> {
  readonly tx: Tx;
  readonly loaded: Loaded;
  /** Writes the changes under a new revision, with the record of the action. */
  write(changes: Partial<SecretRow>, details: ChangeDetails<A>): Promise<SecretView>;
  /** Records the action under the present revision. */
  record(details: ChangeDetails<A>, tells?: readonly NewEvent[]): Promise<void>;
  /** Records the refusal and returns it. */
  refuse(error: KeyholdError): Promise<{ readonly refused: KeyholdError }>;
  /** Refuses because a value in this table does not decrypt, and records it. Broken seals are recorded where they are found. */
  valueBroken(table: SealedTableName): Promise<{ readonly refused: KeyholdError }>;
}

type Work<T, A extends ChangeAction> = (locked: LockedSecret<A>) => Promise<Outcome<T>>;

/** The one way to change a secret: lock it, verify it, ask the rule, then do the work and record it. */
export interface Changes {
  /** In a transaction of its own, which first revalidates the caller. Throws the refusal. */
  change<T, A extends ChangeAction>(caller: Caller, change: Change<A>, work: Work<T, A>): Promise<T>;
  /** Inside a transaction that has revalidated its caller already. */
  changeIn<T, A extends ChangeAction>(tx: Tx, caller: Caller, change: Change<A>, work: Work<T, A>): Promise<Outcome<T>>;
}

interface Deps {
  readonly clock: Clock;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly load: Load;
  readonly audience: Audience;
}

export const createChanges = ({ clock, seals, audit, mutate, load, audience }: Deps): Changes => {
  const lockedSecret = <A extends ChangeAction>(tx: Tx, caller: Caller, as: A, loaded: Loaded): LockedSecret<A> => {
    const target = { type: 'secret', id: loaded.row.id } as const;
    const record = async (
      after: SecretRow,
      details: ChangeDetails<A>,
      more: readonly NewEvent[] = [],
    ): Promise<void> => {
      const told = await audience.changed(tx, as, { before: loaded.row, after, details: details as JsonObject });
      await audit.allow(tx, caller, as, {
        target,
        reason: 'owner',
        // The compiler does not see that this adds what ChangeDetails leaves out.
        details: { revision: after.revision, ...details } as AuditDetails[A],
        tells: [...told, ...more],
      });
    };
    return {
      tx,
      loaded,
      write: async (changes, details) => {
        const revision = loaded.row.revision + 1;
        const written = { ...changes, revision, updated_at: clock.now() };
        const changed = await seals.update(tx, 'secrets', loaded.row, written);
        await record(changed, details);
        const basis = caller.userId === changed.owner_id ? 'owner' : 'shared';
        return viewOf(changed, basis, caller.userId, loaded.now);
      },
      record: (details, tells) => record(loaded.row, details, tells),
      refuse: (error) => audit.refuse(tx, caller, as, { target, error }),
      valueBroken: async (table) => {
        const { id, owner_id: ownerId } = loaded.row;
        await audit.record(tx, caller, load.brokenEntry({ id, ownerId, table, reason: 'value', during: as }));
        return refusedWith(integrityBroken());
      },
    };
  };

  const changeIn: Changes['changeIn'] = async (tx, caller, { id, action, as, revision, value = false }, work) => {
    const evaluation = await load.evaluateOne(tx, { caller, action, id }, { lock: 'update', value });
    if (evaluation.kind !== 'allowed') {
      await audit.record(tx, caller, load.refusalEntry(as, id, evaluation));
      return refusedWith(evaluation.error);
    }
    const locked = lockedSecret(tx, caller, as, evaluation.loaded);
    const isStale = revision != null && revision !== evaluation.loaded.row.revision;
    return isStale ? await locked.refuse(revisionMismatch()) : await work(locked);
  };

  return {
    changeIn,
    change: (caller, change, work) => orNameTaken(mutate(caller, (tx) => changeIn(tx, caller, change, work))),
  };
};

const revisionMismatch = (): KeyholdError =>
  new KeyholdError(
    'revision_mismatch',
    'The secret was changed since you read it. Read it again and repeat the change.',
  );

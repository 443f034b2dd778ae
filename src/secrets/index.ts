import type { CallerState, Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import type { SecretId } from '../core/ids.ts';
import type { Db } from '../db/database.ts';
import type { Now } from '../db/time.ts';
import type { Idempotency } from '../idempotency/index.ts';
import type { OwnerKeys, Seals } from '../keys/index.ts';
import type { Sessions } from '../sessions/index.ts';
import type { Users } from '../users/index.ts';
import { createAccessList } from './access-list.ts';
import { createAnswerAll, createEvaluateFor } from './answer.ts';
import { createAudience } from './audience.ts';
import { createChanges } from './change.ts';
import { createCreation } from './create.ts';
import { createCreateBatched } from './create-batched.ts';
import { createDue } from './due.ts';
import { createEdits } from './edit.ts';
import { createErasing } from './erase.ts';
import { createHandOver } from './hand-over.ts';
import { createImport } from './import.ts';
import { createImportFor } from './import-for.ts';
import { createImportWriter } from './import-write.ts';
import { createKnownNames } from './known-names.ts';
import { createListing } from './listing.ts';
import { createLoad } from './load.ts';
import { createLookAt } from './look.ts';
import { createNewSecrets } from './new-secret.ts';
import { createPlacement } from './placement.ts';
import { createReveal } from './reveal.ts';
import { createSeen } from './seen.ts';
import { createSessionCleanup } from './session-cleanup.ts';
import { createSharing } from './sharing.ts';
import { createStats } from './stats.ts';
import { createVersions } from './versions.ts';
import type { SecretView } from './view.ts';

export type { ChangeSecret, CreateSecret } from './input.ts';
export { orNameTaken } from './names.ts';
export type { SecretFilter } from './queries.ts';
export type { RevealItem } from './reveal.ts';
export type { SeenSecret } from './seen.ts';
export type { SecretView } from './view.ts';
export { createSecretWithdrawals } from './withdraw.ts';

export interface SecretsDeps {
  readonly db: Db;
  readonly clock: Clock;
  readonly now: Now;
  readonly seals: Seals;
  readonly ownerKeys: OwnerKeys;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly callerState: Pick<CallerState, 'revalidate'>;
  readonly idempotency: Idempotency;
  readonly users: Users;
  readonly sessions: Sessions;
  /** How many versions of a value are kept, the current one included. */
  readonly versionsKept: number;
  /** How many days before a date of a secret its owner is reminded. */
  readonly reminderDays: readonly number[];
  /** How long a deleted secret can be recovered. */
  readonly deletedMs: number;
}

export type Secrets = ReturnType<typeof createSecrets>;

/** Everything that can be done with secrets. Each call decides by the one rule, for the caller that comes first. */
export const createSecrets = (deps: SecretsDeps) => {
  const { db, clock, now, seals, ownerKeys, audit, mutate, callerState, idempotency, users, sessions } = deps;
  const { versionsKept, reminderDays, deletedMs } = deps;
  const load = createLoad({ clock, seals });
  const answering = { db, audit, callerState, load };
  const answerAll = createAnswerAll(answering);
  const lookAt = createLookAt({ load, answerAll });
  const audience = createAudience({ sessions });
  const changes = createChanges({ clock, seals, audit, mutate, load, audience });
  const placement = createPlacement({ sessions, users });
  const due = createDue({ seals, audit, audience, reminderDays, deletedMs });
  const newSecrets = createNewSecrets({ clock, audit, audience });
  const createBatched = createCreateBatched({ db, clock, ownerKeys, newSecrets });
  const writer = createImportWriter({ ownerKeys, newSecrets });
  const { setValueIn, ...versions } = createVersions({
    db,
    clock,
    seals,
    ownerKeys,
    idempotency,
    changes,
    lookAt,
    versionsKept,
  });
  return {
    ...createListing({ db, clock, audit, load, sessions }),
    ...createStats({ db, clock, audit, load, users }),
    ...createReveal({ db, clock, audit, ownerKeys, load, answerAll, evaluateFor: createEvaluateFor(answering) }),
    ...createEdits({ changes, seals, placement, due }),
    ...createSharing({ changes, users }),
    ...versions,
    create: createCreation({
      db,
      now,
      audit,
      mutate,
      idempotency,
      ownerKeys,
      load,
      newSecrets,
      placement,
      createBatched,
    }),
    import: createImport({
      db,
      now,
      audit,
      mutate,
      idempotency,
      load,
      placement,
      writer,
      versions: { setValueIn },
    }),
    importFor: createImportFor({ now, audit, mutate, users, sessions, writer }),
    /** The metadata of a secret. */
    get: async (caller: Caller, id: SecretId): Promise<SecretView> =>
      (await lookAt(caller, 'list', 'secret.get', id)).view,
    access: createAccessList({ db, lookAt, sessions, users }),
    handOver: createHandOver({ clock, seals, audit, ownerKeys, changes }),
    erasing: createErasing({ clock, seals }),
    sweeps: [...due.sweeps, createSessionCleanup({ clock, seals, audit })],
    seen: createSeen({ load }),
    knownNames: createKnownNames({ seals, sessions, load }),
  };
};

import { createCallerState, createMutate } from './access/index.ts';
import { createAudit, createIntegrityWatch } from './audit/index.ts';
import {
  createAccessTokens,
  createAuthenticate,
  createExternalTokens,
  createExternalUsers,
  createLogins,
  createRefreshTokens,
  createStillValid,
  createTokens,
} from './auth/index.ts';
import type { Config } from './config/config.ts';
import type { RootKeySource } from './config/root-keys.ts';
import type { Clock } from './core/clock.ts';
import { digestKey } from './crypto/derive.ts';
import type { Database } from './db/database.ts';
import { createNow } from './db/time.ts';
import { createPositions } from './events/index.ts';
import { createGraph } from './graph/index.ts';
import { createHandovers } from './handovers/index.ts';
import { createIdempotency } from './idempotency/index.ts';
import { createJobs, type JobKinds } from './jobs/index.ts';
import {
  createEventIds,
  createOwnerKeys,
  createSeals,
  createWebhookSecrets,
  type KeyRing,
  openKeyRing,
} from './keys/index.ts';
import { createLifecycle } from './lifecycle/index.ts';
import { createNotices } from './notices/index.ts';
import { createResolveTarget, type ResolveName, systemResolve } from './outbound/index.ts';
import { createRotation } from './rotation/index.ts';
import { createSecrets } from './secrets/index.ts';
import { createSessions } from './sessions/index.ts';
import {
  beginClosedIdentities,
  createClosedIdentities,
  createPasswords,
  createThrottle,
  createUsers,
} from './users/index.ts';
import { createWebhooks } from './webhooks/index.ts';

/** What the domains stand on. */
export interface DomainDeps {
  readonly config: Config;
  readonly rootKeys: RootKeySource;
  readonly clock: Clock;
  readonly database: Database;
  /** Looks up the addresses of names that webhooks are sent to; the system's resolver where it is left out. */
  readonly resolveName?: ResolveName;
}

export type Domains = ReturnType<typeof createDomains>;

type OnRecord = Parameters<typeof createAudit>[0]['onRecord'];

/** Opens the keys of a service on this database; `log` gets what its operator should know. */
export const openKeys = ({ rootKeys: source, clock, database: { db } }: DomainDeps, log: (message: string) => void) =>
  openKeyRing({ db, clock, source, onNewLookupKey: beginClosedIdentities(clock), log });

/** Wires the domains, written out: a service can reach only what it is given here. `onRecord` sees each record that is written. */
export const createDomains = (deps: DomainDeps, keys: KeyRing, onRecord: OnRecord) => {
  const { config, clock, database } = deps;
  const { db } = database;
  const now = createNow(clock);
  const { lookupKey } = keys.held();
  const digest = digestKey(lookupKey);
  const watch = createIntegrityWatch(clock);
  const seals = createSeals(() => keys.held().sealKeys, watch.note);
  const ownerKeys = createOwnerKeys({ clock, rootKeys: () => keys.held().rootKeys, seals });
  const audit = createAudit({ clock, seals, onRecord });
  const callerState = createCallerState({ db, seals, clock });
  const mutate = createMutate({ db, callerState, audit });
  const jobs = createJobs({ database, clock, seals, audit, mutate });
  const rotation = createRotation({ db, clock, keys, seals, ownerKeys, audit, mutate, jobs });
  const idempotency = createIdempotency({ audit, clock, seals, digestKey: digest });
  const passwords = createPasswords();
  const throttle = createThrottle({ db, clock, digestKey: digest });
  const closedIdentities = createClosedIdentities({ seals, clock, lookupKey });
  const users = createUsers({
    db,
    clock,
    seals,
    closedIdentities,
    ownerKeys,
    audit,
    mutate,
    idempotency,
    passwords,
    throttle,
    waitingMs: config.waitingMs,
  });
  watch.recordTo(db, audit, () => users.administrators(db));
  const sessions = createSessions({
    db,
    clock,
    now,
    seals,
    audit,
    mutate,
    idempotency,
    callerState,
    users,
    graceMs: config.graceMs,
  });
  const credentials = { db, clock, now, seals, audit, mutate, idempotency, callerState, users, sessions };
  const auth = createAuth({ ...credentials, config, keys, closedIdentities, passwords, throttle });
  const secrets = createSecrets({
    db,
    clock,
    now,
    seals,
    ownerKeys,
    audit,
    mutate,
    callerState,
    idempotency,
    users,
    sessions,
    versionsKept: config.versionsKept,
    reminderDays: config.reminderDays,
    deletedMs: config.deletedMs,
  });
  const remembering = { db, clock, seals, audit, mutate, idempotency, callerState, users, sessions, secrets };
  const graph = createGraph({ ...remembering, digestKey: digest });
  const offering = { db, clock, seals, audit, mutate, idempotency, jobs, users, secrets };
  const handovers = createHandovers({ ...offering, waitingMs: config.waitingMs });
  const notices = createNotices({
    db,
    clock,
    seals,
    audit,
    mutate,
    users,
    sessions,
    secrets,
    ids: createEventIds(lookupKey),
    stillValid: auth.stillValid,
  });
  const sending = createSending(deps, { db, clock, seals, audit, mutate, idempotency, notices, lookupKey });
  const { webhooks } = sending;
  const owned = { users, sessions, secrets, handovers, webhooks };
  const lifecycle = createLifecycle({ db, clock, seals, audit, mutate, jobs, ...owned });
  const givePositions = createPositions({ db, seals, fanOut: webhooks.fanOut });
  const told = { notices, ...sending, givePositions };
  return { ...auth, audit, jobs, rotation, ...owned, graph, lifecycle, ...told };
};

type WebhookDeps = Omit<Parameters<typeof createWebhooks>[0], 'secrets' | 'allowedHosts' | 'resolveTarget'>;

/** Webhooks, and the ports of this service, to which none is sent. */
const createSending = (
  { config, resolveName = systemResolve }: DomainDeps,
  { lookupKey, ...deps }: WebhookDeps & { readonly lookupKey: Uint8Array },
) => {
  const ownPorts = new Set([config.port, config.metricsPort ?? 0]);
  const webhooks = createWebhooks({
    ...deps,
    secrets: createWebhookSecrets(lookupKey, deps.clock),
    allowedHosts: config.webhookAllowedHosts,
    resolveTarget: createResolveTarget({ resolve: resolveName, ownPorts }),
  });
  return { webhooks, ownPorts };
};

interface AuthDeps extends Omit<Parameters<typeof createLogins>[0], 'accessTokens' | 'refreshTokens' | 'refreshMs'> {
  readonly config: Config;
  readonly keys: KeyRing;
  readonly idempotency: Parameters<typeof createTokens>[0]['idempotency'];
  readonly closedIdentities: Parameters<typeof createExternalUsers>[0]['closedIdentities'];
  readonly sessions: ReturnType<typeof createSessions>;
}

/** Everything by which a request says whose it is. */
const createAuth = (deps: AuthDeps) => {
  const { config, keys, db, clock, audit, users, sessions, callerState, closedIdentities } = deps;
  const accessTokens = createAccessTokens({ loginKeys: () => keys.held(), issuer: config.issuer, clock });
  const refreshTokens = createRefreshTokens(() => keys.held());
  const externalTokens = createExternalTokens({ issuers: config.externalIssuers, clock });
  const externalUsers = createExternalUsers({ db, audit, users, closedIdentities });
  return {
    accessTokens,
    logins: createLogins({ ...deps, accessTokens, refreshTokens, refreshMs: config.refreshMs }),
    tokens: createTokens(deps),
    authenticate: createAuthenticate({
      db,
      clock,
      audit,
      callerState,
      sessions,
      accessTokens,
      externalTokens,
      externalUsers,
    }),
    stillValid: createStillValid({ db, clock, callerState, users, sessions, accessTokens, externalTokens }),
  };
};

/** Every kind of long work that this version knows. */
export const jobKinds = ({ lifecycle, rotation, handovers }: Domains): JobKinds => ({
  ...lifecycle.jobKinds,
  ...rotation.kinds,
  ...handovers.jobKinds,
});

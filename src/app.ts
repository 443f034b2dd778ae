import { randomBytes } from 'node:crypto';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { createCallerState, createGate, createLimits, createMutate, type Gate, type Limits } from './access/index.ts';
import { type AuditEntry, createAudit, createIntegrityWatch } from './audit/index.ts';
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
import type { Caller } from './core/caller.ts';
import type { Clock } from './core/clock.ts';
import { digestKey } from './crypto/derive.ts';
import { databaseNow } from './db/checks.ts';
import type { Database } from './db/database.ts';
import { createNow } from './db/time.ts';
import { createEventWriter, createPositions } from './events/index.ts';
import { createHandovers } from './handovers/index.ts';
import { createHttpGate } from './http/gate.ts';
import { createListening, createMetricsServer } from './http/listen.ts';
import { createMetrics, type Metrics } from './http/metrics.ts';
import { createReadiness } from './http/readiness.ts';
import { registerRoutes } from './http/routes/index.ts';
import { createServer } from './http/server.ts';
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
import { createLifecycle, elapsedMs, type SweepClocks, type Sweeper } from './lifecycle/index.ts';
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

export interface AppDeps {
  readonly config: Config;
  readonly rootKeys: RootKeySource;
  readonly clock: Clock;
  readonly database: Database;
  /** Looks up the addresses of names that webhooks are sent to; the system's resolver where it is left out. */
  readonly resolveName?: ResolveName;
  readonly logger: FastifyBaseLogger;
  /** The clocks by which things become due, for tests. */
  readonly sweepClocks?: SweepClocks;
}

export interface Bootstrapped {
  readonly username: string;
  /** The password that was made up, to be shown once; null when the operator chose it. */
  readonly password: string | null;
}

export interface App {
  readonly http: FastifyInstance;
  readonly metrics: Metrics;
  /** The way in and what lies behind it, for callers that come by another protocol than HTTP. */
  readonly gate: Gate;
  readonly domains: Domains;
  readonly keys: KeyRing;
  /** Does what time makes due, from `listen` on. */
  readonly sweeper: Sweeper;
  /** Makes the first administrator; null when there are users already. */
  bootstrap(): Promise<Bootstrapped | null>;
  /** Listens where the configuration says and begins to work on jobs; resolves to the service’s address. */
  listen(): Promise<string>;
  /** Answers the requests under way, finishes the step of a job that is under way, and stops. The database is the caller's to close. */
  close(): Promise<void>;
}

const maxWaiting = 500;
const minuteMs = 60_000;

const openKeys = ({ rootKeys: source, clock, database: { db } }: DomainDeps, log: (message: string) => void) =>
  openKeyRing({ db, clock, source, onNewLookupKey: beginClosedIdentities(clock), log });

type DomainDeps = Omit<AppDeps, 'logger' | 'sweepClocks'>;

/** Wires the domains, written out: a service can reach only what it is given here. */
const createDomains = (deps: DomainDeps, keys: KeyRing, metrics: Metrics) => {
  const { config, clock, database } = deps;
  const { db } = database;
  const now = createNow(clock);
  const { lookupKey } = keys.held();
  const digest = digestKey(lookupKey);
  const watch = createIntegrityWatch(clock);
  const seals = createSeals(() => keys.held().sealKeys, watch.note);
  const ownerKeys = createOwnerKeys({ clock, rootKeys: () => keys.held().rootKeys, seals });
  const audit = createAudit({ clock, seals, onRecord: metrics.recorded });
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
    idempotency,
    users,
    sessions,
    versionsKept: config.versionsKept,
    reminderDays: config.reminderDays,
    deletedMs: config.deletedMs,
  });
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
  return { ...auth, audit, jobs, rotation, ...owned, lifecycle, ...told };
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
const jobKinds = ({ lifecycle, rotation, handovers }: Domains): JobKinds => ({
  ...lifecycle.jobKinds,
  ...rotation.kinds,
  ...handovers.jobKinds,
});

/** What the operator's commands work with: the same domains on the same database, without the HTTP server. */
export interface OperatorApp extends Pick<Domains, 'jobs' | 'users' | 'secrets' | 'lifecycle'> {
  /** Commits one record. */
  record(caller: Caller, entry: AuditEntry): Promise<void>;
}

/** Runs `work` with the domains for the operator's commands. The database is the caller's to close. */
export const withOperatorApp = async <T>(deps: DomainDeps, work: (app: OperatorApp) => Promise<T>): Promise<T> => {
  const keys = await openKeys(deps, () => undefined);
  try {
    const { audit, jobs, users, secrets, lifecycle } = createDomains(deps, keys, createMetrics(deps.database.waiting));
    const record = (caller: Caller, entry: AuditEntry) => audit.recordAlone(deps.database.db, caller, entry);
    return await work({ jobs, users, secrets, lifecycle, record });
  } finally {
    await keys.close();
  }
};

type Domains = ReturnType<typeof createDomains>;

/** Records each minute what the limits turned away. Returns how to stop, which records the rest. */
const recordTurnedAway = (limits: Limits, logger: FastifyBaseLogger): (() => Promise<void>) => {
  const flush = (): Promise<void> =>
    limits.flush().catch(() => logger.warn('the requests that limits turned away could not be recorded'));
  const timer = setInterval(flush, minuteMs).unref();
  return async () => {
    clearInterval(timer);
    await flush();
  };
};

const bootstrapUser = async ({ config }: AppDeps, { users }: Domains): Promise<Bootstrapped | null> => {
  const chosen = config.bootstrapPassword?.expose();
  const password = chosen ?? randomBytes(18).toString('base64url');
  const origin = { requestId: 'bootstrap', ip: null, userAgent: null };
  const user = await users.bootstrap(password, origin);
  return user && { username: user.username, password: chosen === undefined ? password : null };
};

/** The composition root: builds every service and the HTTP server on an open database, and closes them again. */
export const createApp = async (deps: AppDeps): Promise<App> => {
  const { config, clock, database, logger } = deps;
  const { db } = database;
  const metrics = createMetrics(database.waiting);
  const keys = await openKeys(deps, (message) => logger.warn(message));
  const domains = createDomains(deps, keys, metrics);
  const { audit, authenticate } = domains;
  const limits = createLimits({ db, audit, perSecond: config.rateLimit });
  const gate = createGate({ db, audit, authenticate, limits });
  const http = await createServer({
    config,
    logger,
    docs: true,
    overloaded: () => database.waiting() > maxWaiting,
    observe: metrics.request,
  });
  const httpGate = createHttpGate(gate);
  // On the whole server and before any route's own hooks, so that the limits act before authentication.
  http.addHook('onRequest', async (request) => {
    httpGate.admit(request);
    // Whether the process answers must not depend on a database that does not.
    if (request.routeOptions.url !== '/healthz') await keys.revive();
  });
  const streams = domains.notices.streams(logger);
  const deliverer = domains.webhooks.deliverer(logger);
  const onGiven = (): void => {
    streams.nudge();
    deliverer.nudge();
  };
  const writer = createEventWriter({ givePositions: domains.givePositions, onGiven, log: logger });
  const readiness = createReadiness({ db, clock, keys });
  await registerRoutes(http, httpGate, { ...domains, streams, metrics, readiness });
  const metricsServer = await createMetricsServer({ config, logger, metrics });
  const { listen, close } = createListening(http, metricsServer, config);
  const stopRecording = recordTurnedAway(limits, logger);
  const runner = domains.jobs.runner(jobKinds(domains), logger);
  const sweeper = domains.lifecycle.sweeper(deps.sweepClocks ?? { databaseNow, elapsedMs }, logger);
  return {
    http,
    metrics,
    gate,
    domains,
    keys,
    sweeper,
    bootstrap: () => bootstrapUser(deps, domains),
    listen: async () => {
      const address = await listen();
      domains.ownPorts.add(Number(new URL(address).port));
      runner.start();
      deliverer.start();
      sweeper.start();
      writer.start();
      streams.start();
      return address;
    },
    close: async () => {
      // Streams would keep the server from closing.
      await Promise.all([streams.close(), close(), runner.stop(), sweeper.stop(), writer.stop(), deliverer.stop()]);
      await stopRecording();
      await keys.close();
    },
  };
};

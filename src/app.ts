import { randomBytes } from 'node:crypto';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { createCallerState, createMutate } from './access/index.ts';
import { createAudit, createIntegrityWatch } from './audit/index.ts';
import {
  createAccessTokens,
  createAuthenticate,
  createExternalTokens,
  createExternalUsers,
  createLogins,
  createRefreshTokens,
  createTokens,
} from './auth/index.ts';
import type { Config } from './config/config.ts';
import type { RootKeys } from './config/root-keys.ts';
import type { Clock } from './core/clock.ts';
import { KeyholdError } from './core/errors.ts';
import { digestKey } from './crypto/derive.ts';
import { canRecordLogins, databaseNow } from './db/checks.ts';
import type { Database } from './db/database.ts';
import { isCurrentSchema } from './db/migrate.ts';
import { createNow } from './db/time.ts';
import { createLimits, registerRateLimit } from './http/limits.ts';
import { createMetrics, type Metrics } from './http/metrics.ts';
import { registerRoutes } from './http/routes/index.ts';
import { metricsOnly, type Readiness } from './http/routes/operation.ts';
import { createServer } from './http/server.ts';
import { createIdempotency } from './idempotency/index.ts';
import { createOwnerKeys, createSeals, openServiceKeys } from './keys/index.ts';
import { createErase } from './lifecycle/index.ts';
import { createSecrets } from './secrets/index.ts';
import { createSessions } from './sessions/index.ts';
import { createPasswords, createThrottle, createUsers } from './users/index.ts';

export interface AppDeps {
  readonly config: Config;
  readonly rootKeys: RootKeys;
  readonly clock: Clock;
  readonly database: Database;
  readonly logger: FastifyBaseLogger;
}

export interface Bootstrapped {
  readonly username: string;
  /** The password that was made up, to be shown once; null when the operator chose it. */
  readonly password: string | null;
}

export interface App {
  readonly http: FastifyInstance;
  readonly metrics: Metrics;
  /** Makes the first administrator; null when there are users already. */
  bootstrap(): Promise<Bootstrapped | null>;
  /** Listens where the configuration says; resolves to the addresses. */
  listen(): Promise<string>;
  /** Answers what is under way and stops. The database is the caller's to close. */
  close(): Promise<void>;
}

const maxWaiting = 500;
const closeTimeoutMs = 2500;
const maxClockGapMs = 5000;
const minute = 60_000;

const createReadiness =
  ({ database, clock }: Pick<AppDeps, 'database' | 'clock'>) =>
  async (): Promise<Readiness> => {
    try {
      const dbNow = await databaseNow(database.db);
      const clockOk = Math.abs(dbNow.getTime() - clock.now().getTime()) <= maxClockGapMs;
      const schemaOk = await isCurrentSchema(database.db);
      const loginsOk = await canRecordLogins(database.db);
      const checks = {
        database: 'ok',
        schema: schemaOk ? 'ok' : 'is not this version’s',
        clock: clockOk ? 'ok' : 'is more than 5 s from the database’s',
        logins: loginsOk ? 'ok' : 'cannot be recorded',
      };
      return { ready: clockOk && schemaOk && loginsOk, checks };
    } catch {
      return { ready: false, checks: { database: 'does not answer' } };
    }
  };

/** Wires the domains, written out: what a service can reach is what it is given here. */
const createDomains = async ({ config, rootKeys, clock, database }: Omit<AppDeps, 'logger'>, metrics: Metrics) => {
  const { db } = database;
  const now = createNow(clock);
  const sealKeys = await openServiceKeys(db, clock, rootKeys);
  const digest = digestKey((sealKeys.at(-1) ?? sealKeys[0]).key);
  const watch = createIntegrityWatch(clock);
  const seals = createSeals(sealKeys, watch.note);
  const ownerKeys = createOwnerKeys({ clock, rootKeys, seals });
  const audit = createAudit({ clock, seals, onRecord: metrics.recorded });
  watch.recordTo(db, audit);
  const callerState = createCallerState({ db, seals, clock });
  const mutate = createMutate({ db, callerState, audit });
  const idempotency = createIdempotency({ audit, clock, seals, digestKey: digest });
  const passwords = createPasswords();
  const throttle = createThrottle({ db, clock, digestKey: digest });
  const users = createUsers({
    db,
    clock,
    seals,
    ownerKeys,
    audit,
    mutate,
    idempotency,
    passwords,
    throttle,
    waitingMs: config.waitingMs,
  });
  const sessions = createSessions({ db, clock, now, seals, audit, mutate, idempotency, callerState, users });
  const accessTokens = createAccessTokens({ rootKeys: rootKeys.keys, issuer: config.issuer, clock });
  const refreshTokens = createRefreshTokens(rootKeys.keys);
  const logins = createLogins({
    db,
    clock,
    now,
    seals,
    audit,
    mutate,
    callerState,
    users,
    passwords,
    throttle,
    accessTokens,
    refreshTokens,
    refreshMs: config.refreshMs,
  });
  const tokens = createTokens({ db, clock, now, seals, audit, mutate, idempotency, sessions });
  const externalTokens = createExternalTokens({ issuers: config.externalIssuers, clock });
  const externalUsers = createExternalUsers({ db, audit, users });
  const authenticate = createAuthenticate({
    db,
    audit,
    callerState,
    sessions,
    accessTokens,
    externalTokens,
    externalUsers,
  });
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
  });
  const erase = createErase({ audit, mutate, users, sessions, secrets });
  return { audit, users, sessions, secrets, accessTokens, logins, tokens, authenticate, erase };
};

/** What the commands beside the service work with: the same domains on the same database, without the HTTP server. */
export type OperatorApp = Pick<Domains, 'users' | 'secrets'>;

/** The domains for the operator's commands. The database is the caller's to close. */
export const createOperatorApp = async (deps: Omit<AppDeps, 'logger'>): Promise<OperatorApp> => {
  const { users, secrets } = await createDomains(deps, createMetrics(deps.database.waiting));
  return { users, secrets };
};

type Domains = Awaited<ReturnType<typeof createDomains>>;

const addRoutes = async (
  http: FastifyInstance,
  deps: AppDeps,
  domains: Domains,
  metrics: Metrics,
): Promise<() => Promise<void>> => {
  const { db } = deps.database;
  const limits = createLimits({ db, audit: domains.audit });
  await registerRateLimit(http, deps.config.rateLimit, limits);
  const gate = { db, audit: domains.audit, authenticate: domains.authenticate, limits };
  await registerRoutes(http, gate, { ...domains, metrics, readiness: createReadiness(deps) });
  return limits.flush;
};

const createMetricsServer = async (deps: AppDeps, metrics: Metrics): Promise<FastifyInstance | null> => {
  if (deps.config.metricsPort === null) return null;
  const server = await createServer({
    config: { tls: null, trustProxy: [] },
    logger: deps.logger,
    docs: false,
    overloaded: () => false,
    observe: () => undefined,
  });
  metricsOnly(server, metrics);
  return server;
};

const bootstrapUser = async ({ config }: AppDeps, { users }: Domains): Promise<Bootstrapped | null> => {
  const chosen = config.bootstrapPassword?.expose();
  const password = chosen ?? randomBytes(18).toString('base64url');
  const origin = { requestId: 'bootstrap', ip: null, userAgent: null };
  const user = await users.bootstrap(password, origin);
  return user && { username: user.username, password: chosen === undefined ? password : null };
};

const unlistenable: Readonly<Record<string, string>> = {
  EADDRINUSE: 'is in use by another program. End that one',
  EACCES: 'may not be used by this user. Take one above 1023',
  EADDRNOTAVAIL: 'is of an address that this machine does not have. Correct KEYHOLD_HOST',
};

const refusePort = (host: string, port: number, variable: string, cause: unknown): unknown => {
  const why = unlistenable[(cause as NodeJS.ErrnoException).code ?? ''];
  const advice = `Port ${port} at ${host} ${why}, or set ${variable} to another one.`;
  return why === undefined ? cause : new KeyholdError('state_conflict', advice, { cause });
};

const listenAt = async (server: FastifyInstance, host: string, port: number, variable: string): Promise<string> => {
  try {
    return await server.listen({ host, port });
  } catch (error) {
    throw refusePort(host, port, variable, error);
  }
};

/** The composition root: builds every service and the HTTP server on an open database, and closes them again. */
export const createApp = async (deps: AppDeps): Promise<App> => {
  const { config, database, logger } = deps;
  const metrics = createMetrics(database.waiting);
  const domains = await createDomains(deps, metrics);
  const http = await createServer({
    config,
    logger,
    docs: true,
    overloaded: () => database.waiting() > maxWaiting,
    observe: metrics.request,
  });
  const flush = await addRoutes(http, deps, domains, metrics);
  const metricsServer = await createMetricsServer(deps, metrics);
  const flushQuietly = (): void => {
    flush().catch(() => logger.warn('what limits turned away could not be recorded'));
  };
  const timer = setInterval(flushQuietly, minute).unref();
  const close = async (): Promise<void> => {
    clearInterval(timer);
    // What is still coming in or going out after this long is cut off, so that the database is ended in order.
    const impatience = setTimeout(() => http.server.closeAllConnections(), closeTimeoutMs);
    await Promise.all([http.close(), metricsServer?.close()]);
    clearTimeout(impatience);
    await flush().catch(() => logger.warn('what limits turned away could not be recorded'));
  };
  return {
    http,
    metrics,
    bootstrap: () => bootstrapUser(deps, domains),
    listen: async () => {
      try {
        if (metricsServer) await listenAt(metricsServer, config.host, config.metricsPort ?? 0, 'KEYHOLD_METRICS_PORT');
        return await listenAt(http, config.host, config.port, 'KEYHOLD_PORT');
      } catch (error) {
        // One of the two may listen already and would keep the process alive.
        await close();
        throw error;
      }
    },
    close,
  };
};

import { randomBytes } from 'node:crypto';
import type { FastifyBaseLogger, FastifyInstance } from 'fastify';
import { createGate, createLimits, type Gate, type Limits } from './access/index.ts';
import type { AuditEntry } from './audit/index.ts';
import type { Caller } from './core/caller.ts';
import { databaseNow } from './db/checks.ts';
import { createDomains, type DomainDeps, type Domains, jobKinds, openKeys } from './domains.ts';
import { createEventWriter } from './events/index.ts';
import { createHttpGate } from './http/gate.ts';
import { createListening, createMetricsServer } from './http/listen.ts';
import { createMetrics, type Metrics } from './http/metrics.ts';
import { createReadiness } from './http/readiness.ts';
import { registerRoutes } from './http/routes/index.ts';
import { createServer } from './http/server.ts';
import type { KeyRing } from './keys/index.ts';
import { elapsedMs, type SweepClocks, type Sweeper } from './lifecycle/index.ts';

export interface AppDeps extends DomainDeps {
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

/** What the operator's commands work with: the same domains on the same database, without the HTTP server. */
export interface OperatorApp extends Pick<Domains, 'jobs' | 'users' | 'secrets' | 'lifecycle'> {
  /** Commits one record. */
  record(caller: Caller, entry: AuditEntry): Promise<void>;
}

/** Runs `work` with the domains for the operator's commands. The database is the caller's to close. */
export const withOperatorApp = async <T>(deps: DomainDeps, work: (app: OperatorApp) => Promise<T>): Promise<T> => {
  const keys = await openKeys(deps, () => undefined);
  try {
    const { audit, jobs, users, secrets, lifecycle } = createDomains(deps, keys, () => undefined);
    const record = (caller: Caller, entry: AuditEntry) => audit.recordAlone(deps.database.db, caller, entry);
    return await work({ jobs, users, secrets, lifecycle, record });
  } finally {
    await keys.close();
  }
};

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
  const domains = createDomains(deps, keys, metrics.recorded);
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

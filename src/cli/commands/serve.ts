import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { pino } from 'pino';
import type { App, Bootstrapped } from '../../app.ts';
import { type Config, readConfig } from '../../config/config.ts';
import { readEnv } from '../../config/env.ts';
import { loadRootKeys, type RootKeys } from '../../config/root-keys.ts';
import { systemClock } from '../../core/clock.ts';
import { type OpenDatabase, openConfigured } from '../../db/open.ts';
import { exitCodes } from '../exit-codes.ts';

const closeWithinMs = 4500;

const say = (line: string): void => console.log(line);

const loopback = new Set(['127.0.0.1', '::1', 'localhost']);

const tellKeys = ({ created, source }: RootKeys): void => {
  say(`Root key: ${source}`);
  if (created) {
    say('  This is a new key. Back it up now, apart from the database: without it no secret can be read again.');
  }
};

const tellAdmin = (first: Bootstrapped | null): void => {
  if (first?.password) say(`First administrator: ${first.username}, password ${first.password} (shown this once)`);
  else if (first) say(`First administrator: ${first.username}, with the password of KEYHOLD_BOOTSTRAP_PASSWORD`);
};

const tellAddress = (config: Config, address: string): void => {
  say(`Keyhold serves ${address} (docs at ${address}/docs)`);
  if (!loopback.has(config.host) && config.tls === null && config.trustProxy.length === 0) {
    say(
      '  Warning: this address is reached without TLS. Set KEYHOLD_TLS_CERT and KEYHOLD_TLS_KEY, or stand behind a proxy.',
    );
  }
};

/** Signals ask once; asking again changes nothing, and what takes too long is cut off. */
const stopOnSignals = (stop: () => Promise<void>): Promise<void> =>
  new Promise((resolve, reject) => {
    let stopping = false;
    const onSignal = (): void => {
      if (stopping) return;
      stopping = true;
      const timer = setTimeout(() => process.exit(exitCodes.ok), closeWithinMs);
      stop()
        .then(resolve, reject)
        .finally(() => clearTimeout(timer));
    };
    for (const signal of ['SIGTERM', 'SIGINT', 'SIGHUP'] as const) process.on(signal, onSignal);
  });

interface Running {
  readonly app: App;
  readonly database: OpenDatabase;
}

const start = async (config: Config, rootKeys: RootKeys): Promise<Running> => {
  const logger = pino({ level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime });
  const log = (message: string, details: object = {}): void => logger.info(details, message);
  const onLost = (error: Error): void => {
    logger.fatal(error.message);
    process.exit(exitCodes.usage);
  };
  // The rest of the service takes about as long to load as the database takes to start.
  const loadApp = () => import('../../app.ts');
  const database = await openConfigured({ config, log, onLost, whileStarting: loadApp });
  try {
    const { createApp } = await loadApp();
    const app = await createApp({ config, rootKeys, clock: systemClock, database, logger });
    tellAdmin(await app.bootstrap());
    tellAddress(config, await app.listen());
    setImmediate(giveBackMemory);
    return { app, database };
  } catch (error) {
    await database.close();
    throw error;
  }
};

/**
 * Starting leaves as much behind as the service itself takes, and V8 keeps the room for it as long as nothing is short.
 * Only a collection of its last resort gives that back to the system; Node names no other way to one.
 */
const giveBackMemory = (): void => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: object) => void;
  setFlagsFromString('--no-expose-gc');
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
};

/** `serve`: everything from configuration to a listening service, and a clean end on SIGTERM or Ctrl-C. */
export const serve = async (): Promise<void> => {
  const config = readConfig(readEnv());
  const rootKeys = loadRootKeys(readEnv(), config.configDir);
  tellKeys(rootKeys);
  const running = start(config, rootKeys);
  // A signal during the start waits for it: what was begun is then ended in order.
  const stopped = stopOnSignals(async () => {
    const { app, database } = await running;
    await app.close();
    await database.close();
  });
  // A start that fails is told of below, once.
  stopped.catch(() => undefined);
  await running;
  await stopped;
  process.exit(exitCodes.ok);
};

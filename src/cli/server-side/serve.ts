import { isatty } from 'node:tty';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { type Logger, pino } from 'pino';
import type { App, Bootstrapped } from '../../app.ts';
import { type Config, readConfig } from '../../config/config.ts';
import { readEnv } from '../../config/env.ts';
import { type RootKeySource, type RootKeys, rootKeySource } from '../../config/root-keys.ts';
import { operator } from '../../core/caller.ts';
import { systemClock } from '../../core/clock.ts';
import { KeyholdError } from '../../core/errors.ts';
import { type OpenDatabase, openConfigured } from '../../db/open.ts';
import { exitCodes } from '../exit-codes.ts';

const maxCloseMs = 4500;

const print = (line: string): void => console.log(line);

const loopback = new Set(['127.0.0.1', '::1', 'localhost']);

/** Says where the root keys are, and when the first one is made that it has to be backed up. */
const announced = (source: RootKeySource): RootKeySource => {
  print(`Root key: ${source.place}`);
  const create = (): RootKeys | null => {
    const made = source.create();
    if (made?.created)
      print(
        '  This is a new key. Back it up now, separately from the database. Without it no secret can be read again.',
      );
    return made;
  };
  return { ...source, create };
};

const printAdmin = (first: Bootstrapped | null): void => {
  if (first?.password) print(`First administrator: ${first.username}, password ${first.password} (shown this once)`);
  else if (first) print(`First administrator: ${first.username}, with the password of KEYHOLD_BOOTSTRAP_PASSWORD`);
};

const printAddress = (config: Config, address: string): void => {
  print(`Keyhold serves ${address} (docs at ${address}/docs)`);
  if (!loopback.has(config.host) && config.tls === null && config.trustProxy.length === 0) {
    print(
      '  Warning: clients reach this address without TLS. Set KEYHOLD_TLS_CERT and KEYHOLD_TLS_KEY, or use a TLS proxy.',
    );
  }
};

/** After a restore, nothing is deleted because of its age until an operator has looked at it. */
const printHeld = async ({ domains }: App): Promise<void> => {
  for (const { backupCreatedAt, restoredAt } of await domains.lifecycle.hold.held()) {
    print(
      `Restored at ${restoredAt.toISOString()} from a backup of ${backupCreatedAt.toISOString()}. Nothing is deleted because of its age until you run "keyhold restore --release"; "keyhold doctor" tells what is due.`,
    );
  }
};

/** Whether a person sits at the service. Closing their terminal sends SIGHUP, and is to end the service. */
const hasTerminal = (): boolean => [0, 1, 2].some((stream) => isatty(stream));

/** Stops on the first of these signals and ignores later ones. Exits when stopping takes too long. */
const stopOnSignals = (signals: readonly NodeJS.Signals[], stop: () => Promise<void>): Promise<void> =>
  new Promise((resolve, reject) => {
    let stopping = false;
    const onSignal = (): void => {
      if (stopping) return;
      stopping = true;
      const timer = setTimeout(() => process.exit(exitCodes.ok), maxCloseMs);
      stop()
        .then(resolve, reject)
        .finally(() => clearTimeout(timer));
    };
    for (const signal of signals) process.on(signal, onSignal);
  });

interface Running {
  readonly app: App;
  readonly database: OpenDatabase;
  readonly logger: Logger;
}

/** Reads the root keys again, and logs what came of it. Never rejects: the service goes on with the keys that it has. */
const reloadKeys = async ({ app, logger }: Running): Promise<void> => {
  try {
    await app.domains.rotation.reload(operator('SIGHUP'));
    const { rootKeys, configured } = app.keys.held();
    const ids = rootKeys.map(({ id }) => id);
    logger.info(
      { root_key_ids: ids },
      `The root keys were read again from ${configured.source}. The first is the primary.`,
    );
  } catch (error) {
    if (error instanceof KeyholdError) logger.warn(`The root keys were not read again: ${error.message}`);
    else logger.error({ err: error }, 'The root keys were not read again.');
  }
};

/** Reloads the root keys at each SIGHUP, one after the other. A signal during start-up waits for its end. */
const reloadOnHangup = (running: Promise<Running>): void => {
  let last: Promise<void> = Promise.resolve();
  process.on('SIGHUP', () => {
    // A failed start is reported by itself.
    last = last.then(() => running.then(reloadKeys, () => undefined));
  });
};

const start = async (config: Config, rootKeys: RootKeySource): Promise<Running> => {
  const logger = pino({ level: config.logLevel, base: null, timestamp: pino.stdTimeFunctions.isoTime });
  const log = (message: string, details: object = {}): void => logger.info(details, message);
  const onLost = (error: Error): void => {
    logger.fatal(error.message);
    process.exit(exitCodes.usage);
  };
  // Loading the rest of the service takes about as long as starting the database.
  const loadApp = () => import('../../app.ts');
  const database = await openConfigured({ config, log, onLost, whileStarting: loadApp });
  try {
    const { createApp } = await loadApp();
    const app = await createApp({ config, rootKeys, clock: systemClock, database, logger });
    printAdmin(await app.bootstrap());
    await printHeld(app);
    printAddress(config, await app.listen());
    setImmediate(releaseMemory);
    return { app, database, logger };
  } catch (error) {
    await database.close();
    throw error;
  }
};

/**
 * Starting up leaves as much garbage as the running service needs memory, and V8 keeps that space until memory is
 * short. Only its last-resort collection returns it to the system, and Node has no other way to trigger one.
 */
const releaseMemory = (): void => {
  setFlagsFromString('--expose-gc');
  const collect = runInNewContext('gc') as (options: object) => void;
  setFlagsFromString('--no-expose-gc');
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' });
};

/**
 * `serve`: reads the configuration, starts the service, and shuts it down cleanly on SIGTERM or Ctrl-C. SIGHUP stops it where it
 * has a terminal, and reloads its root keys where it has none.
 */
export const serve = async (): Promise<void> => {
  const config = readConfig(readEnv());
  const running = start(config, announced(rootKeySource(readEnv(), config.configDir)));
  const stopping: readonly NodeJS.Signals[] = ['SIGTERM', 'SIGINT'];
  const onTerminal = hasTerminal();
  if (!onTerminal) reloadOnHangup(running);
  // A signal during start-up waits for it to finish, so that everything is closed in order.
  const stopped = stopOnSignals(onTerminal ? [...stopping, 'SIGHUP'] : stopping, async () => {
    const { app, database } = await running;
    await app.close();
    await database.close();
  });
  // A failed start is reported below.
  stopped.catch(() => undefined);
  await running;
  await stopped;
  process.exit(exitCodes.ok);
};

import { fileURLToPath } from 'node:url';
import { spawn } from '@lydell/node-pty';
import { adminPassword, deafHost, newRootKey } from './app.ts';
import { type Command, type Ended, startCommand } from './command.ts';
import { freshDatabase } from './database.ts';
import { send } from './http.ts';
import { expectStatus, logInAdmin, type Person, people } from './people.ts';
import { startService } from './process.ts';
import { makeTempDir } from './temp-dir.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

/** As people start it, on the Node of this test. */
export const commandLine: [string, string] = [process.execPath, 'bin/keyhold.mjs'];

type Env = Readonly<Record<string, string>>;

/** A person at the command line, authenticated by a token of their own. */
export interface AtCommandLine {
  readonly person: Person;
  readonly env: Env;
  start(args: readonly string[], env?: Env): Command;
  run(args: readonly string[], env?: Env): Promise<Ended>;
  /** In a terminal of their own. */
  onTerminal(args: readonly string[], env?: Env): Terminal;
}

export interface Terminal {
  readonly ended: Promise<{ readonly code: number; readonly signal: number }>;
  /** Everything that was shown so far. */
  shown(): string;
  /** Resolves once the text was shown; rejects when the program ends before. */
  shows(text: string): Promise<void>;
  type(keys: string): void;
  resize(columns: number, rows: number): void;
  /** Sends a signal to the program, unless it has ended. */
  signal(name: NodeJS.Signals): void;
}

/** What steers Keyhold, or the colours of what it prints, comes from the test alone. */
const steering = /^(KEYHOLD_.*|NO_COLOR|FORCE_COLOR|NODE_DISABLE_COLORS|COLORTERM|CI)$/;

const plainEnv = (): Record<string, string> =>
  Object.fromEntries(
    Object.entries(process.env).filter(
      (entry): entry is [string, string] => entry[1] !== undefined && !steering.test(entry[0]),
    ),
  );

export const openTerminal = (file: string, args: readonly string[], env: Env): Terminal => {
  const terminal = spawn(file, [...args], {
    cwd: root,
    env: { ...plainEnv(), TERM: 'xterm', ...env },
    cols: 80,
    rows: 24,
  });
  let shown = '';
  let over = false;
  const listeners = new Set<() => void>();
  const tell = (): void => {
    for (const listener of listeners) listener();
  };
  terminal.onData((text) => {
    shown += text;
    tell();
  });
  const ended = new Promise<{ code: number; signal: number }>((resolve) => {
    terminal.onExit(({ exitCode, signal }) => {
      over = true;
      resolve({ code: exitCode, signal: signal ?? 0 });
      tell();
    });
  });
  return {
    ended,
    shown: () => shown,
    shows: (text) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (shown.includes(text)) resolve();
          else if (over) reject(new Error(`it ended without showing ${text}:\n${shown}`));
          else return;
          listeners.delete(look);
        };
        listeners.add(look);
        look();
      }),
    type: (keys) => terminal.write(keys),
    resize: (columns, rows) => terminal.resize(columns, rows),
    signal: (name) => {
      if (!over) process.kill(terminal.pid, name);
    },
  };
};

const tokenOf = async (person: Person): Promise<string> => {
  const permissions = [
    ...['secrets:list', 'secrets:reveal', 'secrets:use', 'secrets:write', 'secrets:share', 'secrets:manage'],
    ...['secrets:own', 'sessions:read', 'sessions:write', 'events:read', 'webhooks:manage'],
    ...['graph:read', 'graph:write'],
  ];
  const body = { name: 'command line', permissions, expires_in: 86_400 };
  return expectStatus(await person.call('POST', '/auth/tokens', { body }), 201).body.token;
};

/** A service process on a database of its own, and people at command lines of theirs. */
export const startWithCommandLines = async <N extends string>(...names: N[]) => {
  const database = await freshDatabase();
  const directory = await makeTempDir();
  const serviceEnv: Env = {
    KEYHOLD_DATABASE_URL: database.url('service'),
    KEYHOLD_MIGRATION_DATABASE_URL: database.url('migrator'),
    KEYHOLD_ROOT_KEYS: newRootKey(),
    KEYHOLD_BOOTSTRAP_PASSWORD: adminPassword,
    KEYHOLD_RATE_LIMIT: '100000',
    KEYHOLD_WEBHOOK_ALLOWED_HOSTS: deafHost,
  };
  // Everything that it would ever log, so that tests can look for values there.
  const service = await startService({ env: { ...serviceEnv, KEYHOLD_LOG_LEVEL: 'debug' } });
  const app = {
    call: (method: string, path: string, options?: object) => send(service.url, method, `/api/v1${path}`, options),
  };
  const all = await people(app, await logInAdmin(app), ...names);
  const atCommandLine = async (person: Person): Promise<AtCommandLine> => {
    const env = {
      KEYHOLD_CLI_SERVER: service.url,
      KEYHOLD_CLI_TOKEN: await tokenOf(person),
      KEYHOLD_CLI_CONFIG_DIR: directory.path,
      KEYHOLD_CLI_KEYRING: 'off',
    };
    const start: AtCommandLine['start'] = (args, more = {}) =>
      startCommand(args, { env: { ...env, ...more }, program: commandLine });
    return {
      person,
      env,
      start,
      run: (args, more) => start(args, more).ended,
      onTerminal: (args, more = {}) =>
        openTerminal(process.execPath, ['bin/keyhold.mjs', ...args], { ...env, ...more }),
    };
  };
  const lines = {} as Record<N, AtCommandLine>;
  for (const name of names) lines[name] = await atCommandLine(all[name]);
  return {
    ...lines,
    service,
    serviceEnv,
    directory: directory.path,
    close: async () => {
      await service.stop();
      await database.drop();
      await directory[Symbol.asyncDispose]();
    },
  };
};

import type { TestDatabase } from '../database.ts';
import { type Answer, type RequestOptions, send } from '../http.ts';
import { createSearch } from '../leaks.ts';
import { anyText, plainText } from './random-texts.ts';

/** A service to be exercised: in this process with its log at debug, or a process of its own. */
export interface Target {
  readonly url: string;
  readonly database: TestDatabase;
  /** Writes a job that no service works on; resolves to its id. */
  storeJob(): Promise<string>;
  /** Adds a new root key to the service's file; resolves to its id. */
  addRootKey(): string;
  /** Everything that it has written: log, stdout, stderr. */
  written(): string;
}

export interface Recorded {
  readonly what: string;
  readonly status: number;
  /** Headers and body. */
  readonly text: string;
  /** Names of what this answer is there to show. */
  readonly mayHold: readonly string[];
  /** The operation that was asked for, where it was one. */
  readonly operationId: string | null;
}

export interface Actor {
  readonly id: string;
  readonly username: string;
  readonly password: string;
  readonly token: string;
  readonly refresh: string;
}

interface Call extends RequestOptions {
  readonly mayHold?: readonly string[];
  readonly operationId?: string;
}

/** What tokens are planted as; the answers that hand them out may hold them. */
export const granted = ['access token', 'refresh token'] as const;

/** Requests to one service with planted texts, and everything that was answered. */
export const createStage = (target: Target, adminPassword: string) => {
  /** Values, passwords, tokens, keys: these are nowhere but in the answers that hand them out. */
  const secrets = createSearch();
  /** Names, descriptions, search words: these are in no record, no log and no metric. */
  const texts = createSearch();
  const answers: Recorded[] = [];

  const call = async (method: string, path: string, { mayHold = [], operationId, ...options }: Call = {}) => {
    const answer = await send(target.url, method, path, options);
    const headers = [...answer.headers].map(([name, value]) => `${name}: ${value}`).join('\n');
    answers.push({
      what: `${method} ${path.slice(0, 80)} → ${answer.status}`,
      status: answer.status,
      text: `${headers}\n${answer.text}`,
      mayHold,
      operationId: operationId ?? null,
    });
    return answer;
  };
  const api = (method: string, path: string, options: Call = {}): Promise<Answer<any>> =>
    call(method, `/api/v1${path}`, options);
  /** As `api`, for what must succeed. */
  const done = async (method: string, path: string, options: Call = {}): Promise<any> => {
    const answer = await api(method, path, options);
    if (answer.status >= 300) throw new Error(`${method} ${path}: ${answer.status} ${answer.text}`);
    return answer.body;
  };

  const secret = (name: string): string => secrets.plant(name, anyText());
  const text = (name: string): string => texts.plant(name, plainText());

  /** Signatures and keys of tokens are random; the rest of a token is its header, its ids, its claims. */
  const plantToken = (name: string, token: string, randomPart: string): string => {
    secrets.plant(name, randomPart);
    return secrets.plant(name, token, { pieces: false });
  };
  const plantGrant = (grant: { access_token: string; refresh_token: string }): void => {
    plantToken('access token', grant.access_token, grant.access_token.split('.')[2] ?? '');
    plantToken('refresh token', grant.refresh_token, grant.refresh_token.slice(-40));
  };

  const logIn = async (username: string, password: string): Promise<Actor> => {
    const grant = await done('POST', '/auth/login', { body: { username, password }, mayHold: granted });
    plantGrant(grant);
    return { id: grant.user.id, username, password, token: grant.access_token, refresh: grant.refresh_token };
  };
  const makeUser = async (): Promise<Actor> => {
    const username = text('username');
    const password = secret('password');
    await done('POST', '/users', { token: (await admin).token, body: { username, password } });
    return await logIn(username, password);
  };
  const admin = logIn('admin', secrets.plant('admin password', adminPassword));

  /** A secret of this owner, with a planted value, name and description. */
  const keep = async (owner: Actor, body: object = {}): Promise<{ readonly id: string; readonly name: string }> => {
    const whole = { name: text('name of a secret'), type: 'other', value: secret('value'), ...body };
    return await done('POST', '/secrets', {
      token: owner.token,
      body: { description: text('description'), tags: [text('tag')], ...whole },
    });
  };
  const startSession = async (owner: Actor, participants: readonly Actor[] = []): Promise<{ readonly id: string }> =>
    await done('POST', '/sessions', {
      token: owner.token,
      body: {
        title: text('title'),
        external_id: text('external id'),
        participants: participants.map(({ id }) => id),
      },
    });

  return {
    target,
    secrets,
    texts,
    answers,
    call,
    api,
    done,
    secret,
    text,
    plantToken,
    plantGrant,
    logIn,
    makeUser,
    admin,
    keep,
    startSession,
  };
};

export type Stage = ReturnType<typeof createStage> & { readonly ada: Actor; readonly grace: Actor };

import { randomUUID } from 'node:crypto';
import type { Answer, RequestOptions } from './http.ts';
import type { Person } from './people.ts';

/** The values that may be stored according to the answers: one, or two after a request without an answer. */
type Possible<T> = ReadonlySet<T>;

export interface KeptSecret {
  readonly id: string;
  readonly name: string;
  value: Possible<string>;
  description: Possible<string | null>;
  shared: Possible<boolean>;
  /** How many versions were acknowledged. */
  versions: number;
}

/** A writer that sends one request after the other, and the answers that it got. */
export interface Writer {
  readonly person: Person;
  readonly secrets: KeptSecret[];
  /** Titles of sessions whose creation was acknowledged. */
  readonly sessions: string[];
  /** User agents of the acknowledged requests, each with the action that must be in the audit log. */
  readonly acknowledged: Map<string, string>;
  /** Requests that got no answer or 503. */
  unanswered: number;
  /** Requests that were sent again with the same Idempotency-Key. */
  repeated: number;
  /** Unexpected answers. */
  readonly wrong: string[];
  run(signal: AbortSignal): Promise<void>;
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
const only = <T>(value: T): Possible<T> => new Set([value]);
const either = <T>(possible: Possible<T>, value: T): Possible<T> => new Set([...possible, value]);

/** Works without a pause on secrets of its own. Each request waits for the answer to the previous one. */
export const createWriter = (person: Person, grantee: Person): Writer => {
  const writer: Writer = {
    person,
    secrets: [],
    sessions: [],
    acknowledged: new Map(),
    unanswered: 0,
    repeated: 0,
    wrong: [],
    run: async (signal) => {
      for (let turn = 0; !signal.aborted; turn += 1) await takeTurn(writer, grantee, turn, signal);
    },
  };
  return writer;
};

const takeTurn = async (writer: Writer, grantee: Person, turn: number, signal: AbortSignal): Promise<void> => {
  const secret = writer.secrets[turn % Math.max(1, writer.secrets.length)];
  if (secret === undefined || turn % 7 === 0) return await create(writer, signal);
  if (turn % 7 === 1) return await setValue(writer, secret);
  if (turn % 7 === 2) return await describe(writer, secret);
  if (turn % 7 === 3) return await share(writer, grantee, secret, turn % 2 === 0);
  if (turn % 7 === 4) return await startSession(writer, signal);
  return await reveal(writer, secret);
};

interface Request extends RequestOptions {
  /** The action that its record names. */
  readonly action: string;
  readonly status: number;
  readonly method: string;
  readonly path: string;
}

/** The answer with the expected status, or null if it is unknown whether the request was carried out. */
const send = async (writer: Writer, request: Request): Promise<Answer<any> | null> => {
  const { action, status, method, path, ...options } = request;
  const agent = randomUUID();
  const headers = { ...options.headers, 'user-agent': agent };
  const answer = await writer.person.call(method, path, { ...options, headers }).catch(() => null);
  if (answer === null || answer.status === 503) {
    writer.unanswered += 1;
    await pause(100);
    return null;
  }
  if (answer.status !== status) {
    writer.wrong.push(`${method} ${path} ${answer.status} ${answer.text}`);
    return null;
  }
  writer.acknowledged.set(agent, action);
  return answer;
};

/** Repeats a creation with the same idempotency key until it is answered. */
const sendUntilCreated = async (
  writer: Writer,
  creation: Pick<Request, 'action' | 'path'> & { readonly body: object },
  signal: AbortSignal,
): Promise<Answer<any> | null> => {
  const request = { ...creation, method: 'POST', status: 201, headers: { 'idempotency-key': randomUUID() } };
  for (let attempt = 0; attempt < 2000 && writer.wrong.length === 0; attempt += 1) {
    const answer = await send(writer, request);
    if (answer === null) writer.repeated += 1;
    // What a repeat finds was created, and recorded, by the request without an answer.
    if (answer !== null && attempt > 0) forgetLast(writer);
    if (answer !== null) return answer;
    if (signal.aborted && attempt > 100) break;
  }
  return null;
};

const forgetLast = ({ acknowledged }: Writer): void => {
  const last = [...acknowledged.keys()].at(-1);
  if (last !== undefined) acknowledged.delete(last);
};

const create = async (writer: Writer, signal: AbortSignal): Promise<void> => {
  const [name, value] = [`S_${randomUUID()}`, randomUUID()];
  const body = { name, type: 'token', value };
  const answer = await sendUntilCreated(writer, { action: 'secret.create', path: '/secrets', body }, signal);
  if (answer === null) return;
  writer.secrets.push({
    id: answer.body.id,
    name,
    value: only(value),
    description: only(null),
    shared: only(false),
    versions: 1,
  });
};

const startSession = async (writer: Writer, signal: AbortSignal): Promise<void> => {
  const title = randomUUID();
  const creation = { action: 'session.create', path: '/sessions', body: { title } };
  if ((await sendUntilCreated(writer, creation, signal)) !== null) writer.sessions.push(title);
};

const setValue = async (writer: Writer, secret: KeptSecret): Promise<void> => {
  const value = randomUUID();
  const request = { method: 'PUT', path: `/secrets/${secret.id}/value`, body: { value } };
  const answer = await send(writer, { ...request, action: 'secret.value_set', status: 200 });
  secret.value = answer === null ? either(secret.value, value) : only(value);
  if (answer !== null) secret.versions += 1;
};

const describe = async (writer: Writer, secret: KeptSecret): Promise<void> => {
  const description = randomUUID();
  const request = { method: 'PATCH', path: `/secrets/${secret.id}`, body: { description } };
  const answer = await send(writer, { ...request, action: 'secret.update', status: 200 });
  secret.description = answer === null ? either(secret.description, description) : only(description);
};

const share = async (writer: Writer, grantee: Person, secret: KeptSecret, shared: boolean): Promise<void> => {
  const verb = shared ? 'share' : 'unshare';
  const request = { method: 'POST', path: `/secrets/${secret.id}/${verb}`, body: { user_id: grantee.id } };
  const answer = await send(writer, { ...request, action: `secret.${verb}`, status: 200 });
  secret.shared = answer === null ? either(secret.shared, shared) : only(shared);
};

const reveal = async (writer: Writer, secret: KeptSecret): Promise<void> => {
  const request = { method: 'GET', path: `/secrets/${secret.id}/value` };
  const answer = await send(writer, { ...request, action: 'secret.reveal', status: 200 });
  if (answer !== null && !secret.value.has(answer.body.value)) {
    writer.wrong.push(`${secret.id} has the value ${answer.body.value}, not one of ${[...secret.value]}`);
  }
};

import type { FastifyRequest } from 'fastify';
import type { Gate, Operation, Presented, Sender } from '../access/index.ts';
import type { Caller } from '../core/caller.ts';
import { KeyholdError } from '../core/errors.ts';
import { originOf } from './origin.ts';

/** The gate of access/gate.ts for requests over HTTP. */
export interface HttpGate {
  admit(request: FastifyRequest): void;
  /** Lets the request's caller in, for `callerOf` to answer, or throws the refusal. */
  enter(request: FastifyRequest, operation: Omit<Operation, 'name'>): Promise<void>;
  serve<T>(request: FastifyRequest, answer: Promise<T>): Promise<T>;
}

const callers = new WeakMap<FastifyRequest, Caller>();

/** The token that a request presents. Only routes that go on after their answer began need it. */
export const tokenOf = (request: FastifyRequest): string => senderOf(request).token ?? '';

export const createHttpGate = (gate: Gate): HttpGate => ({
  admit: (request) => gate.admit(senderOf(request)),
  enter: async (request, operation) => {
    const sender = senderOf(request);
    if (!isPresented(sender)) throw tokenNeeded();
    callers.set(request, await gate.enter(sender, { name: request.routeOptions.url ?? '', ...operation }));
  },
  serve: (request, answer) => gate.serve(senderOf(request), answer),
});

/** The caller of a request that `enter` has let in. */
export const callerOf = (request: FastifyRequest): Caller => {
  const caller = callers.get(request);
  if (!caller) throw new Error('a gated route was reached without its gate');
  return caller;
};

type HttpSender = Sender & Pick<Presented, 'sessionName'>;

const senders = new WeakMap<FastifyRequest, HttpSender>();

/** The sender of a request, the same object each time. */
const senderOf = (request: FastifyRequest): HttpSender => {
  const known = senders.get(request);
  if (known !== undefined) return known;
  const sender = { origin: originOf(request), token: bearer(request), sessionName: sessionHeader(request) };
  senders.set(request, sender);
  return sender;
};

const isPresented = (sender: HttpSender): sender is Presented => sender.token !== null;

/** The token of "Authorization: Bearer …" (RFC 6750 section 2.1); null for no header and for any other form. */
const bearer = (request: FastifyRequest): string | null => {
  const [scheme, token, ...rest] = (request.headers.authorization ?? '').split(' ');
  return scheme?.toLowerCase() === 'bearer' && token && rest.length === 0 ? token : null;
};

const sessionHeader = (request: FastifyRequest): string | null => {
  const header = request.headers['x-session-id'];
  return header === undefined ? null : String(header);
};

const tokenNeeded = (): KeyholdError =>
  new KeyholdError('unauthenticated', 'Log in and send the access token as "Authorization: Bearer …".');

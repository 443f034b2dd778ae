import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';
import { createServer, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { IssuerConfig } from '../../src/config/issuers.ts';
import type { Members } from './forged-tokens.ts';

type Answer = (response: ServerResponse) => void;

/** A web server on loopback on which external issuers publish. A path without an answer is 404. */
export const startIssuerHost = async () => {
  const answers = new Map<string, Answer>();
  const requests = new Map<string, number>();
  const server = createServer((request, response) => {
    const path = request.url ?? '';
    requests.set(path, (requests.get(path) ?? 0) + 1);
    const answer = answers.get(path) ?? ((missing) => missing.writeHead(404).end());
    answer(response);
  });
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done));
  const origin = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  const stop = () => {
    server.closeAllConnections();
    return new Promise((done) => server.close(done));
  };
  return { origin, answers, requestsTo: (path: string) => requests.get(path) ?? 0, stop };
};

type IssuerHost = Awaited<ReturnType<typeof startIssuerHost>>;

export const json =
  (value: unknown): Answer =>
  (response) => {
    response.setHeader('content-type', 'application/json').end(JSON.stringify(value));
  };

let made = 0;

/** A new issuer with a JWKS address of its own on the host. */
export const newIssuer = (host: IssuerHost, published: readonly unknown[], change: Partial<IssuerConfig> = {}) => {
  made += 1;
  const path = `/${made}/jwks`;
  const config: IssuerConfig = {
    issuer: `https://issuer-${made}.test`,
    audience: 'keyhold',
    keys: { kind: 'jwks', url: host.origin + path },
    algorithms: ['EdDSA', 'ES256', 'PS256', 'RS256'],
    usernameClaim: 'preferred_username',
    sessionClaim: 'sid',
    suppliesIds: false,
    mayCreateUsers: false,
    ...change,
  };
  const answer = (with_: Answer) => host.answers.set(path, with_);
  const publish = (keys: readonly unknown[]) => answer(json({ keys }));
  publish(published);
  return { config, path, publish, answer, requests: () => host.requestsTo(path) };
};

/** The public half as an issuer publishes it. */
export const publicJwk = (key: KeyObject, more: Members = {}): Members => ({
  ...createPublicKey(createPrivateKey(key.export({ format: 'pem', type: 'pkcs8' }))).export({ format: 'jwk' }),
  ...more,
});

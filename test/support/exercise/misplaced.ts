import { randomUUID } from 'node:crypto';
import { addressOf, bodyOf, type DocumentedOperation, documentedOperations } from '../documented.ts';
import { exchange } from '../raw-http.ts';
import { anyText, plainText, randomKey } from './random-texts.ts';
import type { Stage } from './stage.ts';

/*
 * Planted texts in every wrong place: nothing of them may come back in a refusal, or stay anywhere.
 */

const anyPath = () => ({ delivery_id: randomUUID(), id: randomUUID(), user_id: randomUUID(), v: '1' });

/** Bodies that hold a planted text in each place where the operation takes no such thing. */
const wrongBodies = ({ secret }: Stage, operation: DocumentedOperation): unknown[] => {
  const body = bodyOf(operation);
  const here = (where: string): string => secret(`misplaced in ${operation.operationId}: ${where}`);
  if (body === null) return [{ [here('a name')]: here('a body') }];
  const { fields, example } = body;
  return [
    ...fields.map((field) => ({ ...example, [field]: field === 'metadata' ? [here(field)] : { a: here(field) } })),
    ...fields.map((field) => ({ ...example, [field]: here(field), more: 1 })),
    { ...example, secret: here('an unknown field') },
    { ...example, [here('the name of a field')]: 1 },
    { [here('a lone name')]: 1 },
    [here('a list')],
    here('a text'),
  ];
};

/** Secrets that are wrong although each field is of its type. */
const wrongSecrets = ({ secret }: Stage): object[] => {
  const whole = { name: 'WRONG', type: 'other', value: 'v' };
  return [
    { ...whole, value: `${secret('a value that is too long')}${'x'.repeat(65_536)}` },
    { ...whole, tags: ['t', secret('a tag that is too long').padEnd(80, 'x')] },
    { ...whole, metadata: { a: secret('metadata that is too large').padEnd(17_000, 'x') } },
    { ...whole, shared_with: [secret('a grantee')] },
    { ...whole, value: secret('value beside a wrong name'), name: secret('a name') },
    { ...whole, value: secret('value beside a wrong type'), type: secret('a type') },
  ];
};

export const misplaceInBodies = async (stage: Stage): Promise<void> => {
  const { token } = await stage.admin;
  const refused = async (operation: DocumentedOperation, body: unknown): Promise<void> => {
    const { method, operationId } = operation;
    const answer = await stage.call(method, addressOf(operation, anyPath()), { token, body, operationId });
    if (answer.status < 400) throw new Error(`${operationId} took ${JSON.stringify(body)}`);
  };
  const create = documentedOperations.find(({ operationId }) => operationId === 'createSecret');
  const all = documentedOperations.filter(({ method }) => method !== 'GET');
  for (const operation of all) for (const body of wrongBodies(stage, operation)) await refused(operation, body);
  if (!create) throw new Error('the document has no createSecret');
  for (const body of [...wrongBodies(stage, create), ...wrongSecrets(stage)]) {
    await refused(create, body);
    const items = { items: [body], on_conflict: 'fail' };
    await stage.api('POST', '/secrets/import', { token, body: items, operationId: 'importSecrets' });
    await stage.api('POST', '/secrets', { body, operationId: 'createSecret' });
  }
};

/** Planted texts for each parameter of each operation, and where no operation is. */
export const misplaceInAddresses = async (stage: Stage): Promise<void> => {
  const { token } = await stage.admin;
  const here = (where: string): string => encodeURIComponent(stage.secret(`in the address: ${where}`));
  for (const operation of documentedOperations) {
    const { operationId, method, parameters } = operation;
    const ask = (address: string) => stage.call(method, address, { token, operationId });
    for (const { name, in: place } of parameters) {
      if (place === 'path') await ask(addressOf(operation, { ...anyPath(), [name]: here(`${operationId} ${name}`) }));
      if (place === 'query') await ask(`${addressOf(operation, anyPath())}?${name}=${here(`${operationId} ${name}`)}`);
    }
    await ask(`${addressOf(operation, anyPath())}?token=${here(`${operationId} unknown`)}&${here('a name')}=1`);
  }
  for (const path of [
    `/${here('a path')}`,
    `/secrets/${here('bad encoding')}%ff`,
    `/secrets?access_token=${encodeURIComponent(bearer(stage, 'token in the address'))}`,
    `/auth/tokens/${bearer(stage, 'token as an id')}`,
  ])
    await stage.api('GET', path, { token });
};

const bearer = ({ plantToken }: Stage, name: string): string => {
  const random = randomKey(48);
  return plantToken(name, `kh_${random}`, random);
};

const headers = [
  'x-session-id',
  'idempotency-key',
  'if-match',
  'content-encoding',
  'x-request-id',
  'x-forwarded-for',
  'cookie',
  'referer',
  'accept',
  'expect',
  'x-api-key',
  'origin',
  'traceparent',
] as const;

export const misplaceInHeaders = async (stage: Stage): Promise<void> => {
  const { token } = stage.ada;
  for (const header of headers) {
    const text = stage.secrets.plant(`header ${header}`, plainText());
    // Two words, so that none is well-formed: a valid Idempotency-Key is kept, as its own kind of name.
    const wrong = { headers: { [header]: `${text} ${text}` } };
    await stage
      .api('PATCH', `/secrets/${randomUUID()}`, { token, ...wrong, body: { nothing: 1 } })
      .catch(() => undefined);
    await stage.api('POST', '/secrets', { ...wrong, body: {} }).catch(() => undefined);
  }
  const basic = Buffer.from(`ada:${stage.secret('basic password')}`).toString('base64');
  const parts = [randomKey(30), randomKey(30)];
  const jwt = stage.plantToken('broken JWT', `eyJ${parts[0]}.eyJ${parts[1]}.x`, parts[0] ?? '');
  for (const authorization of [
    `Basic ${basic}`,
    `Bearer ${bearer(stage, 'unknown token')}`,
    `Bearer ${bearer(stage, 'first of two tokens')} ${bearer(stage, 'second of two tokens')}`,
    bearer(stage, 'bare token'),
    `Bearer ${jwt}`,
  ])
    await stage.api('GET', '/secrets', { headers: { authorization } });
};

/** Bodies that are no JSON or of another type, and connections that speak no HTTP. */
export const misplaceInProtocols = async (stage: Stage): Promise<void> => {
  const { target, answers, secret } = stage;
  const simply = (name: string): string => stage.secrets.plant(name, plainText());
  for (const [type, body] of [
    ['application/json', `{"value":"${secret('broken JSON')}`],
    ['application/json', `"${simply('a string')}"`],
    ['text/plain', secret('text')],
    ['application/x-www-form-urlencoded', `value=${encodeURIComponent(secret('a form'))}`],
    ['application/json', `{"value":"${simply('a lone surrogate')}\\ud800"}`],
    ['application/json; charset=utf-16', secret('another charset')],
    ['application/json', `{"name":"${simply('a NUL')}\\u0000"}`],
    ['application/json', `{"__proto__":"${simply('a prototype')}"}`],
  ] as const) {
    const authorization = `Bearer ${stage.ada.token}`;
    const init = { method: 'POST', body, headers: { authorization, 'content-type': type } };
    const response = await fetch(`${target.url}/api/v1/secrets`, init);
    const text = await response.text();
    answers.push({
      what: `POST ${type}`,
      status: response.status,
      text,
      mayHold: [],
      operationId: 'createSecret',
    });
  }
  const raw = simply('in what is no HTTP');
  for (const text of [
    `${raw}\r\n\r\n`,
    `GET /${raw} HTTP/1.1\r\n${raw}\r\n\r\n`,
    `${raw} / HTTP/1.1\r\nHost: x\r\n\r\n`,
    `GET / HTTP/1.1\r\nHost: x\r\nX: ${raw.repeat(700)}\r\n\r\n`,
    `POST / HTTP/1.1\r\nHost: x\r\nContent-Length: ${raw}\r\n\r\n`,
  ]) {
    const { status, body } = await exchange(target.url, Buffer.from(text), { halfClose: true });
    answers.push({ what: 'no HTTP', status, text: body, mayHold: [], operationId: null });
  }
};

/** A database that refuses to write, in the midst of it. */
export const misplaceInTrouble = async ({ target, api, done, keep, ada, secret }: Stage): Promise<void> => {
  const { id } = await keep(ada);
  const { client } = target.database;
  const { token } = ada;
  const body = { name: 'TROUBLE', type: 'other', value: secret('value in trouble') };
  await client.query('alter table secrets rename to secrets_away');
  await api('POST', '/secrets', { token, body });
  await api('PUT', `/secrets/${id}/value`, { token, body: { value: body.value } });
  await api('GET', `/secrets/${id}/value`, { token });
  await client.query('alter table secrets_away rename to secrets');
  await client.query(`alter table secrets add constraint no_more check (name <> 'TROUBLE') not valid`);
  await api('POST', '/secrets', { token, body });
  await client.query('alter table secrets drop constraint no_more');
  await done('POST', '/secrets', { token, body: { name: 'LAST', type: 'other', value: anyText() } });
};

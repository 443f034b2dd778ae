import { spawnSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath } from 'node:url';
import { Validator } from '@seriousme/openapi-schema-validator';
import Spectral from '@stoplight/spectral-core';
import rulesets from '@stoplight/spectral-rulesets';
import { Check } from 'typebox/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { routesOnly } from '../../scripts/routes-only.ts';
import { makeTempDir } from '../support/temp-dir.ts';

interface Media {
  readonly schema: Record<string, unknown>;
  readonly example?: unknown;
}

interface Response {
  readonly content?: Record<string, Media>;
}

interface Operation {
  readonly operationId?: string;
  readonly summary?: string;
  readonly description?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly unknown[];
  readonly requestBody?: { readonly content: Record<string, Media> };
  readonly responses: Record<string, Response & { readonly $ref?: string }>;
}

const read = (path: string) => JSON.parse(readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8'));
const document = read('openapi.json');

const operations = Object.entries(document.paths as Record<string, Record<string, Operation>>).flatMap(([path, item]) =>
  Object.entries(item).map(([method, operation]) => [`${method.toUpperCase()} ${path}`, operation] as const),
);

/** The schema with every named shape written out. */
const whole = (schema: unknown): Record<string, unknown> =>
  JSON.parse(
    JSON.stringify(schema, (_key, value) =>
      typeof value?.$ref === 'string' ? document.components.schemas[value.$ref.split('/').at(-1)] : value,
    ),
  );

const examplesOf = ({ schema, example }: Media): unknown[] =>
  example === undefined ? ((schema['examples'] as unknown[] | undefined) ?? []) : [example];

const problemRef = '#/components/responses/Problem';
const problemResponse: Response = document.components.responses.Problem;

const answersOf = ({ responses }: Operation): Response[] =>
  Object.values(responses).map((response) => (response.$ref === problemRef ? problemResponse : response));

/** An operation's bodies: what is sent, what comes back, and what comes back when it is refused. */
const bodiesOf = (operation: Operation): Media[] =>
  [operation.requestBody, ...answersOf(operation)].flatMap((body) => Object.values(body?.content ?? {}));

const isNamed = ({ schema }: Media): boolean =>
  typeof schema['$ref'] === 'string' || schema['type'] === 'string' || schema['type'] === 'null';

/** What an operation refuses whatever it does: unknown fields and too many requests; without a credential if it needs one. */
const refusals = ({ security, requestBody }: Operation): string[] => [
  ...['400', '429'],
  ...(security?.length === 0 ? [] : ['401', '403']),
  ...(requestBody ? ['413', '415'] : []),
];

const lacking = (operation: Operation): string[] => {
  const { operationId, summary, description, tags, responses, requestBody } = operation;
  const successes = Object.keys(responses).filter((status) => /^2/.test(status));
  const answers = successes.flatMap((status) => Object.values(responses[status]?.content ?? {}));
  const problems = Object.entries(responses).filter(([status]) => !successes.includes(status));
  const has = (media: readonly Media[]) => media.some((one) => examplesOf(one).length > 0);
  const wanted = {
    operationId: /^[a-z]+[A-Z]\w+$/.test(operationId ?? ''),
    summary: Boolean(summary),
    description: Boolean(description),
    tag: tags?.length === 1 && document.tags.some(({ name }: { name: string }) => name === tags[0]),
    'one success answer': successes.length === 1,
    'example of the answer': successes[0] === '204' ? answers.length === 0 : has(answers),
    'example of the body': requestBody === undefined || has(Object.values(requestBody.content)),
    'names for its shapes': bodiesOf(operation).every(isNamed),
    'its refusals': [...refusals(operation), 'default'].every((status) => status in responses),
    'the one problem answer': problems.length > 0 && problems.every(([, { $ref }]) => $ref === problemRef),
  };
  return Object.entries(wanted).flatMap(([name, there]) => (there ? [] : [name]));
};

describe('the OpenAPI document', () => {
  it('the document is valid OpenAPI 3.1, and a broken one is not', async () => {
    expect(await new Validator().validate(structuredClone(document))).toMatchObject({ valid: true });
    expect(document.openapi).toMatch(/^3\.1\./);
    const broken = structuredClone(document);
    broken.paths['/api/v1/secrets'].get.responses = [];
    expect(await new Validator().validate(broken)).toMatchObject({ valid: false });
  });

  it('the document carries the version of the package', () => {
    expect(document.info.version).toBe(read('package.json').version);
  });

  it.each(operations)('the document describes %s completely', (_name, operation) => {
    expect(lacking(operation)).toEqual([]);
  });

  it('the check of an operation finds each part that it lacks', () => {
    const [, operation] = operations.find(([name]) => name === 'POST /api/v1/secrets') ?? [];
    const empty = { operationId: '', summary: '', description: '', tags: [], responses: {} };
    expect(lacking(structuredClone({ ...operation, ...empty }))).toEqual([
      'operationId',
      'summary',
      'description',
      'tag',
      'one success answer',
      'example of the answer',
      'its refusals',
      'the one problem answer',
    ]);
    const inline = structuredClone({ ...operation, responses: { ...operation?.responses, 404: problemResponse } });
    expect(lacking(inline)).toEqual(['the one problem answer']);
    const nameless = { content: { 'application/json': { schema: { type: 'object' }, example: {} } } };
    expect(lacking({ ...inline, ...operation, requestBody: nameless } as Operation)).toEqual(['names for its shapes']);
  });

  it('the document gives each operation an id of its own', () => {
    const ids = operations.map(([, { operationId }]) => operationId);
    expect(new Set(ids).size).toBe(operations.length);
  });

  it.each(operations)('the examples of %s fit their schemas', (_name, operation) => {
    for (const media of bodiesOf(operation)) {
      const schema = whole(media.schema);
      for (const example of examplesOf(media)) expect(Check(schema, example), JSON.stringify(example)).toBe(true);
      expect(Check({ ...schema, minProperties: 99, minLength: 999 }, examplesOf(media)[0])).toBe(false);
    }
  });

  it('the document says null as JSON Schema does', () => {
    const text = JSON.stringify(document);
    expect(text).not.toContain('"nullable"');
    expect(document.components.schemas.Secret.properties.expires_at.anyOf).toContainEqual({ type: 'null' });
  });

  it('every reference in the document resolves', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)];
    expect(references.length).toBeGreaterThan(50);
    for (const [, name] of references) expect(document.components.schemas).toHaveProperty(name ?? '');
  });

  it('the document offers no permission and no role that grants nothing', () => {
    const { Permission, Role, CreateTokenRequest, CreateUserRequest, UpdateUserRequest } = document.components.schemas;
    expect(Permission.enum).toContain('secrets:reveal');
    expect(Role.enum).toEqual(['member', 'admin']);
    expect(CreateTokenRequest.properties.permissions.items.$ref).toMatch(/\/Permission$/);
    for (const { properties } of [CreateUserRequest, UpdateUserRequest])
      expect(properties.role.$ref).toMatch(/\/Role$/);
    expect(JSON.stringify(document)).not.toMatch(/audit:read|auditor/);
  });

  it('the document states where a session and other users may be named', () => {
    const schema = whole(document.components.schemas.CreateSecretRequest);
    const id = '0199d6f2-5f0e-7c4e-9d3c-0a2b4c6d8e0f';
    const fits = (placement: object): boolean => Check(schema, { name: 'A', type: 'other', value: 'v', ...placement });
    expect(fits({})).toBe(true);
    expect(fits({ scope: 'user', session_id: null, shared_with: [] })).toBe(true);
    expect(fits({ scope: 'session', session_id: 'chat-42' })).toBe(true);
    expect(fits({ scope: 'shared', shared_with: [id] })).toBe(true);
    expect(fits({ session_id: 'chat-42' })).toBe(false);
    expect(fits({ scope: 'shared', session_id: 'chat-42', shared_with: [id] })).toBe(false);
    expect(fits({ scope: 'session', shared_with: [id] })).toBe(false);
    expect(fits({ scope: 'shared', shared_with: [] })).toBe(false);
    expect(fits({ scope: 'shared' })).toBe(false);
  });
});

const faulty = () => {
  const copy = structuredClone(document);
  copy.paths['/api/v1/secrets'].get.operationId = copy.paths['/api/v1/secrets'].post.operationId;
  return copy;
};

describe('what linters say about the document', () => {
  /** As "redocly lint" says it by its recommended rules: one line for each problem. */
  const redocly = async (content: unknown): Promise<string[]> => {
    await using folder = await makeTempDir();
    const path = join(folder.path, 'openapi.json');
    await writeFile(path, JSON.stringify(content));
    const program = fileURLToPath(new URL('../../node_modules/.bin/redocly', import.meta.url));
    const { stdout, stderr } = spawnSync(program, ['lint', path, '--extends=recommended', '--format=json'], {
      cwd: folder.path,
      encoding: 'utf8',
      env: { PATH: dirname(process.execPath), REDOCLY_TELEMETRY: 'off', REDOCLY_SUPPRESS_UPDATE_NOTICE: 'true' },
    });
    if (!stdout.startsWith('{')) throw new Error(stderr);
    return JSON.parse(stdout).problems.map(({ ruleId }: { ruleId: string }) => ruleId);
  };

  const spectral = async (content: unknown): Promise<string[]> => {
    const linter = new Spectral.Spectral();
    linter.setRuleset({ extends: [[rulesets.oas, 'recommended']] } as Parameters<typeof linter.setRuleset>[0]);
    return (await linter.run(content as Record<string, unknown>)).map(({ code }) => String(code));
  };

  it('the document passes every rule that Redocly recommends', async () => {
    expect(await redocly(document)).toEqual([]);
    expect(await redocly(faulty())).toEqual(['operation-operationId-unique']);
  }, 60_000);

  it('the document passes every rule that Spectral recommends', async () => {
    expect(await spectral(document)).toEqual([]);
    expect(await spectral(faulty())).toEqual(['operation-operationId-unique']);
  }, 60_000);
});

describe('the docs', () => {
  let http: Awaited<ReturnType<typeof routesOnly>>;
  beforeAll(async () => {
    http = await routesOnly();
  });
  afterAll(() => http.close());

  /** A busy machine may answer "overloaded"; a client that asks again after the time it is told is served. */
  const get = async (url: string, tries = 10): Promise<Awaited<ReturnType<typeof http.inject>>> => {
    const answer = await http.inject({ url });
    if (answer.statusCode === 503 && tries > 0) {
      await sleep(Number(answer.headers['retry-after']) * 1000);
      return await get(url, tries - 1);
    }
    expect(answer.statusCode, url).toBe(200);
    return answer;
  };

  it('the docs page loads everything from the package', async () => {
    const page = await get('/docs');
    const references = [...page.body.matchAll(/(?:src|href)="([^"]+)"/g)].map(([, url = '']) => url);
    expect(references.filter((url) => url.endsWith('.js')).length).toBeGreaterThan(1);
    for (const url of references) {
      expect(url).toMatch(/^\/docs\//);
      await get(url);
    }
    const policy = String(page.headers['content-security-policy']);
    expect(policy).toContain("default-src 'none'");
    expect(policy).not.toMatch(/https?:|\*|upgrade-insecure-requests|unsafe|validator/);
  });

  it('the docs show the document that is committed', async () => {
    expect((await get('/docs/json')).json()).toEqual(document);
    expect((await get('/api/openapi.json')).json()).toEqual(document);
  });
});

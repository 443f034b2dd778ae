import { readFileSync } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { Validator } from '@seriousme/openapi-schema-validator';
import { Check } from 'typebox/schema';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { routesOnly } from '../../scripts/routes-only.ts';

interface Media {
  readonly schema: Record<string, unknown>;
  readonly example?: unknown;
}

interface Operation {
  readonly summary?: string;
  readonly tags?: readonly string[];
  readonly security?: readonly unknown[];
  readonly requestBody?: { readonly content: Record<string, Media> };
  readonly responses: Record<string, { readonly content?: Record<string, Media> }>;
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

/** An operation's bodies: what is sent, what comes back, and what comes back when it is refused. */
const bodiesOf = ({ requestBody, responses }: Operation): Media[] =>
  [requestBody, ...Object.values(responses)].flatMap((body) => Object.values(body?.content ?? {}));

const lacking = ({ summary, tags, responses, requestBody }: Operation): string[] => {
  const statuses = Object.keys(responses).filter((status) => status !== 'default');
  const answers = statuses.flatMap((status) => Object.values(responses[status]?.content ?? {}));
  const has = (media: readonly Media[]) => media.some((one) => examplesOf(one).length > 0);
  const wanted = {
    summary: Boolean(summary),
    tag: tags?.length === 1 && document.tags.some(({ name }: { name: string }) => name === tags[0]),
    'one success answer': statuses.length === 1,
    'example of the answer': statuses[0] === '204' ? answers.length === 0 : has(answers),
    'example of the body': requestBody === undefined || has(Object.values(requestBody.content)),
    'problem answer': has(
      [responses['default']?.content?.['application/problem+json']].filter((media) => media !== undefined),
    ),
  };
  return Object.entries(wanted).flatMap(([name, there]) => (there ? [] : [name]));
};

describe('the OpenAPI document', () => {
  it('is valid OpenAPI 3.1, and a broken one is not', async () => {
    expect(await new Validator().validate(structuredClone(document))).toMatchObject({ valid: true });
    expect(document.openapi).toMatch(/^3\.1\./);
    const broken = structuredClone(document);
    broken.paths['/api/v1/secrets'].get.responses = [];
    expect(await new Validator().validate(broken)).toMatchObject({ valid: false });
  });

  it('bears the version of the package', () => {
    expect(document.info.version).toBe(read('package.json').version);
  });

  it.each(operations)('tells everything about %s', (_name, operation) => {
    expect(lacking(operation)).toEqual([]);
  });

  it('would be found to lack what an operation lacks', () => {
    const [, operation] = operations.find(([name]) => name === 'POST /api/v1/secrets') ?? [];
    expect(lacking(structuredClone({ ...operation, summary: '', tags: [], responses: {} }))).toEqual([
      'summary',
      'tag',
      'one success answer',
      'example of the answer',
      'problem answer',
    ]);
  });

  it.each(operations)('gives examples of %s that fit their schemas', (_name, operation) => {
    for (const media of bodiesOf(operation)) {
      const schema = whole(media.schema);
      for (const example of examplesOf(media)) expect(Check(schema, example), JSON.stringify(example)).toBe(true);
      expect(Check({ ...schema, minProperties: 99, minLength: 999 }, examplesOf(media)[0])).toBe(false);
    }
  });

  it('says null as JSON Schema does', () => {
    const text = JSON.stringify(document);
    expect(text).not.toContain('"nullable"');
    expect(document.components.schemas.Secret.properties.expires_at.anyOf).toContainEqual({ type: 'null' });
  });

  it('has every reference it names', () => {
    const references = [...JSON.stringify(document).matchAll(/"\$ref":"#\/components\/schemas\/(\w+)"/g)];
    expect(references.length).toBeGreaterThan(50);
    for (const [, name] of references) expect(document.components.schemas).toHaveProperty(name ?? '');
  });
});

describe('the docs', () => {
  let http: Awaited<ReturnType<typeof routesOnly>>;
  beforeAll(async () => {
    http = await routesOnly();
  });
  afterAll(() => http.close());

  /** A busy machine may be answered "overloaded"; whoever asks again then, as they are told to, is served. */
  const get = async (url: string, tries = 10): Promise<Awaited<ReturnType<typeof http.inject>>> => {
    const answer = await http.inject({ url });
    if (answer.statusCode === 503 && tries > 0) {
      await sleep(Number(answer.headers['retry-after']) * 1000);
      return await get(url, tries - 1);
    }
    expect(answer.statusCode, url).toBe(200);
    return answer;
  };

  it('come whole from the package', async () => {
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

  it('show the document that is committed', async () => {
    expect((await get('/docs/json')).json()).toEqual(document);
    expect((await get('/api/openapi.json')).json()).toEqual(document);
  });
});

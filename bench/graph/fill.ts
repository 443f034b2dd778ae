import { createHash } from 'node:crypto';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import type pg from 'pg';
import { from as copyFrom } from 'pg-copy-streams';
import { newId } from '../../src/core/ids.ts';
import { fold, keysOf } from '../../src/graph/text.ts';

/** A scope with remembered facts: whose, and how many entities, relations and observations of each entity. */
export interface ScopeToFill {
  readonly id: string;
  readonly userId: string | null;
  readonly sessionId: string | null;
  readonly entities: number;
}

export interface Filled {
  /** The ids of the entities of each scope, by its id. */
  readonly entities: ReadonlyMap<string, readonly string[]>;
}

const relationsEach = 5;
const observationsEach = 2;

const words =
  'alpha beta gamma delta build deploy review invoice latency cache queue replica cursor socket vertex'.split(' ');
const types = ['PERSON', 'CONCEPT', 'TECHNOLOGY', 'DOCUMENT', 'TASK'];
const relationTypes = ['depends_on', 'references', 'related_to', 'leads_to', 'works at'];

/** Numbers that are the same in every run. */
const random = (seed: number) => {
  let state = seed;
  return (below: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * below);
  };
};

const line = (...columns: readonly (string | number | null)[]): string =>
  `${columns.map((one) => (one === null ? '\\N' : String(one))).join('\t')}\n`;

const keysOfText = (scope: string, text: string): string => `{${keysOf(scope, text).join(',')}}`;

const now = new Date().toISOString();

/** The word that a tenth of all observations has, and the one that a single observation of each scope has. */
export const commonWord = 'quarterly';
export const rareWord = (scopeId: string): string => `ref${scopeId.replaceAll('-', '').slice(-10)}`;

const entityLines = function* (
  scopes: readonly ScopeToFill[],
  ids: Map<string, string[]>,
  pick: (n: number) => number,
) {
  let count = 0;
  for (const scope of scopes) {
    const own: string[] = [];
    ids.set(scope.id, own);
    for (let at = 0; at < scope.entities; at += 1, count += 1) {
      const id = newId<string>();
      own.push(id);
      const name = `${words[pick(words.length)]} ${words[pick(words.length)]} ${count}`;
      const type = types[pick(types.length)] ?? 'TASK';
      yield line(
        id,
        scope.id,
        type,
        name,
        '{}',
        '[]',
        'f',
        null,
        scope.userId,
        null,
        1,
        now,
        now,
        name,
        keysOfText(scope.id, name),
      );
    }
  }
};

/** Every entity with its scope and its place in it. */
const placesOf = function* (scopes: readonly ScopeToFill[], ids: ReadonlyMap<string, readonly string[]>) {
  for (const scope of scopes)
    for (const [place, entity] of (ids.get(scope.id) ?? []).entries()) yield { scope, place, entity };
};

const observationLines = function* (
  scopes: readonly ScopeToFill[],
  ids: ReadonlyMap<string, readonly string[]>,
  pick: (below: number) => number,
): Generator<string> {
  let count = 0;
  for (const { scope, place, entity } of placesOf(scopes, ids)) {
    for (let at = 0; at < observationsEach; at += 1, count += 1) {
      const rare = place === 0 && at === 0 ? ` ${rareWord(scope.id)}` : '';
      const common = count % 10 === 0 ? ` ${commonWord}` : '';
      const content = `${words[pick(words.length)]} ${words[pick(words.length)]} no ${count}${common}${rare}`;
      const digest = `\\\\x${createHash('sha256').update(content).digest('hex')}`;
      const search = fold(content);
      const [about, origin] = [
        [null, null],
        [scope.userId, null],
      ] as const;
      const times = [null, null, now] as const;
      const row = [newId<string>(), entity, scope.id, content, digest, ...about, ...origin, ...times] as const;
      yield line(...row, search, keysOfText(scope.id, search));
    }
  }
};

const relationLines = function* (
  scopes: readonly ScopeToFill[],
  ids: ReadonlyMap<string, readonly string[]>,
  pick: (n: number) => number,
) {
  for (const scope of scopes) {
    const own = ids.get(scope.id) ?? [];
    for (const entity of own) {
      for (let at = 0; at < relationsEach; at += 1) {
        const to = own[pick(own.length)] ?? entity;
        yield line(
          newId<string>(),
          scope.id,
          entity,
          to,
          relationTypes[at] ?? 'blocks',
          '{}',
          null,
          null,
          scope.userId,
          null,
          null,
          null,
          now,
        );
      }
    }
  }
};

/** The hub: an entity with relations to and from others of its scope, of many types. */
const hubLines = function* (scope: ScopeToFill, ids: readonly string[], edges: number) {
  const [hub = ''] = ids;
  for (let at = 0; at < edges; at += 1) {
    const other = ids[1 + (at % (ids.length - 1))] ?? hub;
    const [from, to] = at % 2 === 0 ? [hub, other] : [other, hub];
    yield line(
      newId<string>(),
      scope.id,
      from,
      to,
      `kind ${Math.floor(at / (ids.length - 1))}`,
      '{}',
      null,
      null,
      scope.userId,
      null,
      null,
      null,
      now,
    );
  }
};

const chunked = function* (lines: Iterable<string>): Generator<string> {
  let chunk = '';
  for (const one of lines) {
    chunk += one;
    if (chunk.length < 256 * 1024) continue;
    yield chunk;
    chunk = '';
  }
  yield chunk;
};

const copy = (client: pg.Client, table: string, columns: string, lines: Iterable<string>): Promise<void> =>
  pipeline(Readable.from(chunked(lines)), client.query(copyFrom(`copy public.${table} (${columns}) from stdin`)));

const indexed = ['memory_entities', 'memory_observations', 'memory_relations'];

/** Runs `work` without the indexes of the large tables, and builds these afterwards: far quicker than row by row. */
const withoutIndexes = async (client: pg.Client, work: () => Promise<void>): Promise<void> => {
  const { rows } = await client.query<{ name: string; definition: string }>(
    `select i.indexname as name, i.indexdef as definition from pg_indexes as i
      where i.schemaname = 'public' and i.tablename = any($1) and i.indexname like 'ix_%'`,
    [indexed],
  );
  for (const { name } of rows) await client.query(`drop index public.${name}`);
  await work();
  await client.query(`set maintenance_work_mem = '1GB'`);
  for (const { definition } of rows) await client.query(definition);
};

/** Fills these scopes with facts, and gives the first entity of `hub` as many relations more as asked for. */
export const fill = async (
  client: pg.Client,
  scopes: readonly ScopeToFill[],
  hub: { readonly scope: ScopeToFill; readonly edges: number },
): Promise<Filled> => {
  const ids = new Map<string, string[]>();
  await withoutIndexes(client, async () => {
    await client.query(`set session_replication_role = 'replica'`);
    await copy(
      client,
      'memory_scopes',
      'id, user_id, session_id',
      (function* () {
        for (const { id, userId, sessionId } of scopes) yield line(id, userId, sessionId);
      })(),
    );
    await copy(
      client,
      'memory_entities',
      'id, scope_id, type, name, attributes, tags, is_activity, secret_id, author_id, agent, version, created_at, updated_at, search, keys',
      entityLines(scopes, ids, random(1)),
    );
    await client.query(`insert into public.memory_names (scope_id, name, entity_id, is_alias)
      select scope_id, name, id, false from public.memory_entities where name is not null`);
    await copy(
      client,
      'memory_observations',
      'id, entity_id, scope_id, content, digest, source, confidence, author_id, agent, valid_at, invalid_at, created_at, search, keys',
      observationLines(scopes, ids, random(2)),
    );
    const columns =
      'id, scope_id, from_id, to_id, type, attributes, source, confidence, author_id, agent, valid_at, invalid_at, created_at';
    await copy(client, 'memory_relations', columns, relationLines(scopes, ids, random(3)));
    await copy(client, 'memory_relations', columns, hubLines(hub.scope, ids.get(hub.scope.id) ?? [], hub.edges));
    await client.query(`set session_replication_role = 'origin'`);
  });
  await client.query('vacuum analyze');
  return { entities: ids };
};

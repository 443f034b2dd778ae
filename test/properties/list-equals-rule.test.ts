import fc from 'fast-check';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { decide, type Subject, visibleBranches } from '../../src/access/index.ts';
import { rootKeySource } from '../../src/config/root-keys.ts';
import { systemClock } from '../../src/core/clock.ts';
import { pageOf, readCursor } from '../../src/core/page.ts';
import type { Database } from '../../src/db/database.ts';
import { createSeals, type KeyRing, openKeyRing, type Seals } from '../../src/keys/index.ts';
import { type SecretFilter, visibleIds } from '../../src/secrets/queries.ts';
import { beginClosedIdentities } from '../../src/users/index.ts';
import { newRootKey } from '../support/app.ts';
import { count, seed } from '../support/counts.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';
import {
  anyWorld,
  type FilterDraft,
  factsFor,
  insertWorld,
  stateIn,
  subjectOf,
  type World,
  type WorldSecret,
  worldOf,
} from './worlds.ts';

const says = (text: string | null, q: string): boolean => text?.toLowerCase().includes(q.toLowerCase()) ?? false;

/** What a filter means, one condition a field; without `state`, whatever is not deleted. */
const fits = (world: World, subject: Subject, filter: FilterDraft, secret: WorldSecret): boolean => {
  const state = stateIn(world, secret);
  const mine = secret.ownerId === subject.userId;
  return [
    filter.state === undefined ? state !== 'deleted' : state === filter.state,
    filter.scope === undefined || secret.scope === filter.scope,
    filter.type === undefined || secret.type === filter.type,
    filter.tag === undefined || secret.tags.includes(filter.tag),
    filter.q === undefined || says(secret.name, filter.q) || says(secret.description, filter.q),
    filter.owner !== 'me' || mine,
    filter.owner !== 'others' || !mine,
    filter.session === undefined || secret.sessionId === world.sessions[filter.session]?.id,
    filter.names === undefined || filter.names.includes(secret.name),
  ].every(Boolean);
};

const newestFirst = (a: string, b: string): number => (a < b ? 1 : -1);

/** Which decisions and states the worlds have led to: what never came up was not tested. */
const met = new Set<string>();

/** The secrets that the rule lets this caller list. */
const listed = (world: World, subject: Subject): readonly WorldSecret[] =>
  world.secrets.filter((secret) => {
    const decision = decide(subject, 'list', factsFor(world, subject, secret), world.moment);
    met.add(decision.allowed ? decision.basis : decision.reason);
    if (decision.allowed) met.add(`${decision.basis} ${stateIn(world, secret)}`);
    return decision.allowed;
  });

describe('what a list shows', () => {
  let database: TestDatabase;
  let service: Database;
  let keys: KeyRing;
  let seals: Seals;
  beforeAll(async () => {
    database = await freshDatabase();
    service = database.open();
    keys = await openKeyRing({
      db: service.db,
      clock: systemClock,
      source: rootKeySource({ KEYHOLD_ROOT_KEYS: newRootKey() }, '/nonexistent'),
      onNewLookupKey: beginClosedIdentities(systemClock),
      log: () => undefined,
    });
    seals = createSeals(() => keys.held().sealKeys);
  });
  afterAll(async () => {
    await keys.close();
    await service.close();
    await database.drop();
  });

  const viewerOf = (world: World, subject: Subject) => ({
    userId: subject.userId,
    branches: visibleBranches(subject, world.clock),
    now: world.clock,
  });

  /** Every page of one list, one after the other, as a client walks them. */
  const walk = async (world: World, subject: Subject, filter: SecretFilter): Promise<string[]> => {
    const viewer = viewerOf(world, subject);
    const seen: string[] = [];
    let cursor: string | null = null;
    do {
      const page = { limit: world.draft.limit, cursor };
      const ids = await visibleIds(service.db, viewer, { filter, page });
      const cut = pageOf(ids, page.limit, (id) => id);
      seen.push(...cut.items);
      // Pages that overlap would otherwise never come to an end.
      if (seen.length > world.secrets.length) return seen;
      cursor = readCursor(cut.next_cursor ?? undefined);
    } while (cursor !== null);
    return seen;
  };

  const sqlFilter = (world: World, { session, ...filter }: FilterDraft): SecretFilter => {
    const sessionId = session === undefined ? undefined : world.sessions[session]?.id;
    return { ...filter, ...(sessionId === undefined ? {} : { sessionId }) };
  };

  /** The lists of one caller: all that isn't deleted, the deleted, and whatever the world asks for. */
  const compare = async (world: World, subject: Subject): Promise<void> => {
    const visible = listed(world, subject);
    for (const filter of [{}, { state: 'deleted' } as const, ...world.draft.filters]) {
      const expected = visible
        .filter((secret) => fits(world, subject, filter, secret))
        .map((secret) => secret.id)
        .sort(newestFirst);
      if (expected.length > world.draft.limit) met.add('several pages');
      expect(await walk(world, subject, sqlFilter(world, filter))).toEqual(expected);
    }
  };

  it('a list holds exactly the secrets that the rule allows, page by page, in every generated world', async () => {
    const property = fc.asyncProperty(anyWorld, async (draft) => {
      const world = worldOf(draft);
      await insertWorld(service.db, seals, world);
      for (const caller of draft.callers) await compare(world, subjectOf(world, caller));
    });
    await fc.assert(property, { numRuns: count(2000), seed });
    expect([...met].sort()).toEqual([
      'nothing',
      'owner',
      'owner deleted',
      'owner expired',
      'owner inactive',
      'owner live',
      'permission',
      'session',
      'session live',
      'several pages',
      'shared',
      'shared live',
    ]);
  }, 900_000);
});

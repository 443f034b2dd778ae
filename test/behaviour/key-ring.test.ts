import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest';
import { parseRootKey, type RootKeySource } from '../../src/config/root-keys.ts';
import type { Database } from '../../src/db/database.ts';
import { type KeyRing, openKeyRing } from '../../src/keys/index.ts';
import { beginClosedIdentities } from '../../src/users/index.ts';
import { newRootKey } from '../support/app.ts';
import { settableClock } from '../support/clock.ts';
import { some } from '../support/counts.ts';
import { freshDatabase, type TestDatabase } from '../support/database.ts';

const names = ['A', 'B', 'C'] as const;
type Name = (typeof names)[number];

const keys = Object.fromEntries(
  names.map((name) => {
    const key = parseRootKey(newRootKey());
    if (!key) throw new Error('a new root key is no root key');
    return [name, key];
  }),
) as Record<Name, NonNullable<ReturnType<typeof parseRootKey>>>;

const idOf = (name: Name): string => keys[name].id;

/** Root keys whose list a test changes, as somebody edits a file. */
const editable = (list: string) => {
  let now = list;
  const source: RootKeySource = {
    read: () => ({
      keys: [...now].map((name) => keys[name as Name]),
      source: 'the file',
      file: null,
      created: false,
      flaws: [],
    }),
    create: () => null,
    place: 'the file',
  };
  const edit = (next: string): void => {
    now = next;
  };
  return { source, edit };
};

const clock = settableClock();
/** Until the last access token has expired that a key signed, no service drops it. */
const letTokensExpire = (): void => clock.advance(3_600_000);

let database: TestDatabase;
let pool: Database;
beforeAll(async () => {
  database = await freshDatabase();
  pool = database.open();
});
afterAll(async () => {
  await pool.close();
  await database.drop();
});

const open: KeyRing[] = [];
const logged: string[] = [];
afterEach(async () => {
  vi.useRealTimers();
  for (const ring of open.splice(0)) await ring.close();
  await database.client.query('delete from heartbeats');
});

const openRing = async (source: RootKeySource): Promise<KeyRing> => {
  const ring = await openKeyRing({
    db: pool.db,
    clock,
    source,
    onNewLookupKey: beginClosedIdentities(clock),
    log: (message) => logged.push(message),
  });
  open.push(ring);
  return ring;
};

const heldBy = (ring: KeyRing): string =>
  ring
    .held()
    .rootKeys.map(({ id }) => names.find((name) => idOf(name) === id))
    .join('');

const row = { purpose: 'owner', rowId: '01890000-0000-7000-8000-000000000001', ownerId: null } as const;

/** What each of two live services wraps, the other one unwraps. */
const expectMutual = async (one: KeyRing, other: KeyRing): Promise<void> => {
  for (const [from, to] of [
    [one, other],
    [other, one],
  ] as const) {
    const primary = from.held().rootKeys[0];
    const wrapped = await primary.wrap(row, Buffer.alloc(32, 7), new Date());
    const theirs = to.held().rootKeys.find(({ id }) => id === primary.id);
    expect(await theirs?.unwrap(row, wrapped)).toEqual(Buffer.alloc(32, 7));
  }
};

/** Every list of the first `count` keys, in every order. */
const listsOf = (count: number): string[] => {
  const all = names.slice(0, count);
  const grow = (lists: string[]): string[] => {
    const longer = lists.flatMap((list) => all.filter((name) => !list.includes(name)).map((name) => list + name));
    return longer.length === 0 ? [] : [...longer, ...grow(longer)];
  };
  return grow(['']);
};

/** Resolves to whether it worked; a refusal has to name the key that is in the way. */
const attempt = async (work: () => Promise<unknown>): Promise<boolean> => {
  try {
    await work();
    return true;
  } catch (error) {
    expect(error).toMatchObject({ code: 'state_conflict' });
    expect(names.some((name) => (error as Error).message.includes(idOf(name)))).toBe(true);
    return false;
  }
};

const fits = (one: string, other: string): boolean => other.includes(one[0] ?? '') && one.includes(other[0] ?? '');

describe('the root keys of two services on one database', () => {
  const lists = listsOf(3);
  const sequences = lists.flatMap((a) =>
    lists.flatMap((b) => lists.flatMap((c) => lists.map((d) => [a, b, c, d] as const))),
  );
  /** A fifth of those in which the second service can start and one of the two then reloads another list. */
  const interesting = sequences.filter(([a, b, c, d], at) => fits(a, b) && (a !== c || b !== d) && at % 5 === 0);

  beforeAll(async () => {
    // All three keys are known to the database, so that each list could be used by a service alone.
    await openRing(editable('ABC').source);
  });

  it('every order of two lists at start works, or is refused by the name of a key', async () => {
    for (const first of lists) {
      for (const second of lists) {
        const one = await openRing(editable(first).source);
        let other: KeyRing | undefined;
        const works = await attempt(async () => (other = await openRing(editable(second).source)));
        expect(works, `${first} then ${second}`).toBe(fits(first, second));
        if (other) await expectMutual(one, other);
        expect(heldBy(one)).toBe(first);
        for (const ring of open.splice(0)) await ring.close();
      }
    }
  });

  it('every order of reloads works or is refused by name, and nothing is wrapped that the other cannot open', async () => {
    for (const [a, b, c, d] of some(interesting, 0, 20)) {
      const files = [editable(a), editable(b)] as const;
      const [one, other] = [await openRing(files[0].source), await openRing(files[1].source)];
      letTokensExpire();
      files[0].edit(c);
      const first = await attempt(() => one.reload());
      expect(first, `${a} beside ${b} reloads ${c}`).toBe(fits(c, b));
      expect(heldBy(one)).toBe(first ? c : a);
      await expectMutual(one, other);
      letTokensExpire();
      files[1].edit(d);
      const second = await attempt(() => other.reload());
      expect(second, `${b} beside ${heldBy(one)} reloads ${d}`).toBe(fits(heldBy(one), d));
      expect(heldBy(other)).toBe(second ? d : b);
      await expectMutual(one, other);
      for (const ring of open.splice(0)) await ring.close();
    }
  });

  it('a service that was not heard of for 30 s is not waited for, and stops when it cannot open the primary key', async () => {
    const [kept, moved] = [editable('A'), editable('A')];
    const [suspended, active] = [await openRing(kept.source), await openRing(moved.source)];
    moved.edit('BA');
    expect(await attempt(() => active.reload())).toBe(false);
    // As the database sees a service that was suspended: its last heartbeat is a valid row, and old.
    await expireHeartbeat(suspended);
    await active.reload();
    expect(heldBy(active)).toBe('BA');
    await expect(suspended.beat()).rejects.toThrow(idOf('B'));
    letSecondsPass(21);
    await Promise.all([suspended.revive(), active.revive()]);
    // The reason is for the operator alone.
    expect(() => suspended.held()).toThrow(/^This service may not use its keys at the moment\. Its log says why\./);
    expect(logged.at(-1)).toContain(idOf('B'));
    expect(heldBy(active)).toBe('BA');
    kept.edit('AB');
    await suspended.reload();
    await expectMutual(suspended, active);
    expect(heldBy(suspended)).toBe('AB');
  });

  it('a reload is not undone by a heartbeat that began before it', async () => {
    const file = editable('AB');
    const ring = await openRing(file.source);
    for (let round = 0; round < 30; round += 1) {
      const list = round % 2 === 0 ? 'BA' : 'AB';
      file.edit(list);
      let reloading = true;
      const reloaded = ring.reload().finally(() => {
        reloading = false;
      });
      while (reloading) await ring.beat();
      await reloaded;
      expect(heldBy(ring), `round ${round}`).toBe(list);
    }
  });

  it('a service that was not heard of for 20 s uses no key until it is heard of again', async () => {
    const ring = await openRing(editable('A').source);
    letSecondsPass(10);
    expect(ring.revive()).toBeUndefined();
    expect(heldBy(ring)).toBe('A');
    letSecondsPass(11);
    expect(() => ring.held()).toThrow('may not use its keys');
    await ring.revive();
    expect(heldBy(ring)).toBe('A');
  });

  /** Moves the clock by which a service knows how long ago it was last heard of. */
  const letSecondsPass = (seconds: number): void => {
    vi.useFakeTimers({ toFake: ['Date'], now: Date.now() + seconds * 1000 });
  };

  /** Removes the heartbeat, which is what an expired one amounts to. */
  const expireHeartbeat = (ring: KeyRing) =>
    database.client.query('delete from heartbeats where service_id = $1', [ring.serviceId]);
});

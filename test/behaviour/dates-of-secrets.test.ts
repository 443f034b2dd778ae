import { afterEach, beforeEach, describe, expect, it } from 'vitest';
import { operator } from '../../src/core/caller.ts';
import { startApp, type TestApp } from '../support/app.ts';
import { settableClock } from '../support/clock.ts';
import { until } from '../support/deadlines.ts';
import { expectStatus, lasting, logInAdmin, type Person, people, startSession, uniqueName } from '../support/people.ts';

const dayMs = 24 * 3_600_000;

let app: TestApp;
let ada: Person;

beforeEach(async () => {
  app = await startApp({ clock: settableClock(new Date(Date.now() + 3_600_000)), movesDatabaseClock: true });
  ada = await lasting((await people(app, await logInAdmin(app), 'ada')).ada);
});
afterEach(() => app.close());

/** What became due until now is done. */
const days = async (count: number): Promise<void> => {
  app.clock.advance(count * dayMs);
  await app.app.sweeper.nudge();
};

const inDays = (count: number): string => new Date(app.clock.now().getTime() + count * dayMs).toISOString();

const create = async (fields: object): Promise<string> => {
  const body = { name: uniqueName(), type: 'password', value: 'pw', ...fields };
  return expectStatus(await ada.call('POST', '/secrets', { body }), 201).body.id;
};

/** What was told of a secret because of time, oldest first. */
const told = async (id: string): Promise<string[]> => {
  const { rows } = await app.database.client.query(
    `select type, details->>'days' as days, user_id from events where secret_id = $1
      and type in ('secret.expiring', 'secret.rotation_due', 'secret.expired', 'secret.purged') order by id`,
    [id],
  );
  expect(rows.every((row) => row.user_id === ada.id)).toBe(true);
  return rows.map(({ type, days: step }) => (step === null ? type : `${type} ${step}`));
};

/** How many statements wait for a lock. */
const waiting = async (on: TestApp): Promise<number> => {
  const { rows } = await on.database.client.query(`select count(*)::int as count from pg_stat_activity
    where datname = current_database() and wait_event_type = 'Lock'`);
  return rows[0].count;
};

describe('the owner of a secret that expires', () => {
  it('is reminded 14, 3 and 1 days before, once each, and told of the end, and then no more', async () => {
    const id = await create({ expires_at: inDays(20) });
    await days(5.9);
    expect(await told(id)).toEqual([]);
    await days(0.1);
    await days(0);
    expect(await told(id)).toEqual(['secret.expiring 14']);
    await days(11);
    await days(1);
    await days(1);
    expect(await told(id)).toEqual(['secret.expiring 14', 'secret.expiring 3', 'secret.expiring 1']);
    await days(1);
    expect((await told(id)).slice(3)).toEqual(['secret.expired']);
    await days(9);
    expect((await told(id)).slice(3)).toEqual(['secret.expired']);
  });

  it('is reminded once, for the nearest step, after the service was down from day 15 to day 2', async () => {
    const id = await create({ expires_at: inDays(15) });
    await days(13);
    expect(await told(id)).toEqual(['secret.expiring 3']);
    await days(1);
    expect(await told(id)).toEqual(['secret.expiring 3', 'secret.expiring 1']);
  });

  it('is not reminded of steps that had passed when the secret was made', async () => {
    const id = await create({ expires_at: inDays(2) });
    await days(0.5);
    expect(await told(id)).toEqual([]);
    await days(0.5);
    expect(await told(id)).toEqual(['secret.expiring 1']);
  });

  it('is not reminded after the end, however long the service was down', async () => {
    const id = await create({ expires_at: inDays(20) });
    await days(21);
    expect(await told(id)).toEqual(['secret.expired']);
  });

  it('is not alone in being told of the end: those who had access are, and were not reminded', async () => {
    const { grace, linus } = await people(app, await logInAdmin(app), 'grace', 'linus');
    const shared = await create({ expires_at: inDays(2), scope: 'shared', shared_with: [grace.id] });
    const session = await startSession(ada, [linus]);
    const lent = await create({ expires_at: inDays(2), scope: 'session', session_id: session.id });
    await days(1);
    await days(1);
    const toldOf = async (id: string) => {
      const { rows } = await app.database.client.query(
        'select type, user_id from events where secret_id = $1 and type <> $2 order by type, user_id',
        [id, 'secret.created'],
      );
      return rows.map(({ type, user_id }) => [type, user_id]);
    };
    const expected = (...others: string[]) => [
      ...[ada.id, ...others].sort().map((id) => ['secret.expired', id]),
      ['secret.expiring', ada.id],
    ];
    expect(await toldOf(shared)).toEqual(expected(grace.id));
    expect(await toldOf(lent)).toEqual(expected(linus.id));
  });

  it('is reminded of the new date when it is changed, and not of the old one', async () => {
    const id = await create({ expires_at: inDays(10) });
    await days(7);
    expect(await told(id)).toEqual(['secret.expiring 3']);
    expectStatus(await ada.call('PATCH', `/secrets/${id}`, { body: { expires_at: inDays(2) } }), 200);
    await days(0.5);
    expect(await told(id)).toEqual(['secret.expiring 3']);
    expectStatus(await ada.call('PATCH', `/secrets/${id}`, { body: { expires_at: inDays(30) } }), 200);
    await days(16);
    expect(await told(id)).toEqual(['secret.expiring 3', 'secret.expiring 14']);
  });

  it('is not reminded of steps that had passed when they changed the date in the middle of a reminder', async () => {
    const first = inDays(20);
    const id = await create({ expires_at: first });
    app.clock.advance(17.5 * dayMs);
    // The reminder of the first date waits while it is written.
    await app.database.client.query(`create function wait_here() returns trigger language plpgsql as $$ begin
        perform pg_catalog.pg_advisory_xact_lock(42); return new; end $$;
      create trigger wait_here before insert on reminders for each row when (new.due_at = '${first}')
        execute function wait_here();
      select pg_advisory_lock(42)`);
    const looking = app.app.sweeper.nudge();
    await until('the reminder waits', 5000, async () => (await waiting(app)) === 1);
    const second = inDays(2);
    let isChanged = false;
    const changing = ada.call('PATCH', `/secrets/${id}`, { body: { expires_at: second } }).finally(() => {
      isChanged = true;
    });
    await until('the change waits or is done', 5000, async () => isChanged || (await waiting(app)) === 2);
    await app.database.client.query('select pg_advisory_unlock(42)');
    expectStatus(await changing, 200);
    await looking;
    await days(0);
    expect(await told(id)).toEqual(['secret.expiring 3']);
    await days(1);
    expect(await told(id)).toEqual(['secret.expiring 3', 'secret.expiring 1']);
  });

  it('is reminded of the date of rotation as well, and told on the day', async () => {
    const id = await create({ rotate_after: inDays(4) });
    await days(1);
    await days(2);
    await days(1);
    await days(1);
    expect(await told(id)).toEqual(['secret.rotation_due 3', 'secret.rotation_due 1', 'secret.rotation_due 0']);
  });

  it('is told nothing of a secret that is deleted or inactive', async () => {
    const [deleted, inactive] = [await create({ expires_at: inDays(15) }), await create({ expires_at: inDays(15) })];
    expectStatus(await ada.call('DELETE', `/secrets/${deleted}`), 204);
    expectStatus(await ada.call('POST', `/secrets/${inactive}/deactivate`), 200);
    await days(12);
    expect([...(await told(deleted)), ...(await told(inactive))]).toEqual([]);
    expectStatus(await ada.call('POST', `/secrets/${inactive}/activate`), 200);
    await days(0);
    expect(await told(inactive)).toEqual(['secret.expiring 3']);
  });
});

it('dates that are months or thousands of years away set no timer, and nothing is due before its time', async () => {
  const warnings: string[] = [];
  const onWarning = ({ name }: Error): void => void warnings.push(name);
  process.on('warning', onWarning);
  const far = '9999-12-31T23:59:59.999Z';
  const secrets = [await create({ expires_at: inDays(60) }), await create({ expires_at: far, rotate_after: far })];
  const session = await startSession(ada, [], { expires_at: far, idle_after: 31_536_000 });
  await days(0);
  await days(30);
  expect(await Promise.all(secrets.map(told))).toEqual([[], []]);
  expectStatus(await ada.call('GET', `/secrets/${secrets[0]}/value`, { session: session.id }), 200);
  await days(16);
  expect(await Promise.all(secrets.map(told))).toEqual([['secret.expiring 14'], []]);
  process.off('warning', onWarning);
  expect(warnings).not.toContain('TimeoutOverflowWarning');
});

describe('a deleted secret', () => {
  const rows = async (id: string): Promise<number[]> => {
    const { rows: found } = await app.database.client.query(
      `select (select count(*)::int from secrets where id = $1) as secrets,
        (select count(*)::int from secret_versions where secret_id = $1) as versions`,
      [id],
    );
    return [found[0].secrets, found[0].versions];
  };

  it('can be recovered for 30 days, and is then erased with its versions, on the record and told once', async () => {
    const id = await create({});
    expectStatus(await ada.call('PUT', `/secrets/${id}/value`, { body: { value: 'pw2' } }), 200);
    expectStatus(await ada.call('DELETE', `/secrets/${id}`), 204);
    await days(29.9);
    expectStatus(await ada.call('POST', `/secrets/${id}/recover`), 200);
    expectStatus(await ada.call('DELETE', `/secrets/${id}`), 204);
    await days(29.9);
    expect(await rows(id)).toEqual([1, 1]);
    await days(0.1);
    await days(1);
    expect(await rows(id)).toEqual([0, 0]);
    expect(await told(id)).toEqual(['secret.purged']);
    const { rows: records } = await app.database.client.query(
      `select outcome, reason, actor_id from audit_log where action = 'secret.purge' and target_id = $1`,
      [id],
    );
    expect(records).toEqual([{ outcome: 'allowed', reason: 'due', actor_id: null }]);
  });

  it('is not erased for a time that the database says, whose row was changed to say it', async () => {
    const id = await create({});
    await app.database.client.query(`update secrets set deleted_at = '2020-01-01' where id = $1`, [id]);
    await days(1);
    expect(await rows(id)).toEqual([1, 0]);
  });
});

describe('many secrets that are due at the same time', () => {
  it('are all done, in batches, also beside rows that were changed', async () => {
    const items = Array.from({ length: 230 }, () => ({
      name: uniqueName(),
      type: 'password',
      value: 'pw',
      expires_at: inDays(10),
    }));
    expectStatus(await ada.call('POST', '/secrets/import', { body: { items, on_conflict: 'fail' } }), 201);
    await app.database.client.query(`update secrets set description = 'changed' where id in
      (select id from secrets order by id limit 120)`);
    await days(9.5);
    const { rows } = await app.database.client.query(
      `select count(*)::int as rows, count(distinct secret_id)::int as secrets from events where type = 'secret.expiring'`,
    );
    expect(rows).toEqual([{ rows: 110, secrets: 110 }]);
  });
});

it('secrets that are too much for one batch are erased in smaller ones', async () => {
  const items = Array.from({ length: 15 }, () => ({ name: uniqueName(), type: 'password', value: 'pw' }));
  expectStatus(await ada.call('POST', '/secrets/import', { body: { items, on_conflict: 'fail' } }), 201);
  const { rows: made } = await app.database.client.query('select id from secrets order by id limit 14');
  for (const { id } of made) expectStatus(await ada.call('DELETE', `/secrets/${id}`), 204);
  // As if each erasure took so long that the database cancels a statement with more than ten of them.
  await app.database.client.query(`create function limited() returns trigger language plpgsql as $$
    declare deleted int := coalesce(nullif(pg_catalog.current_setting('test.deleted', true), ''), '0')::int + 1;
    begin
      if deleted > 10 then raise exception using errcode = 'query_canceled'; end if;
      perform pg_catalog.set_config('test.deleted', deleted::text, true);
      return old;
    end $$;
    create trigger limited before delete on secrets for each row execute function limited()`);
  await days(31);
  const { rows } = await app.database.client.query('select count(*)::int as count from secrets');
  expect(rows).toEqual([{ count: 1 }]);
});

describe('a clock that is wrong', () => {
  const deleted = async (on: TestApp, person: Person): Promise<string> => {
    const body = { name: uniqueName(), type: 'password', value: 'pw' };
    const { id } = expectStatus(await person.call('POST', '/secrets', { body }), 201).body;
    expectStatus(await person.call('DELETE', `/secrets/${id}`), 204);
    await on.app.sweeper.nudge();
    return id;
  };

  const isKept = async (on: TestApp, id: string): Promise<boolean> =>
    (await on.database.client.query('select 1 from secrets where id = $1', [id])).rows.length === 1;

  it('of the service alone erases nothing early', async () => {
    const other = await startApp();
    const id = await deleted(other, await logInAdmin(other));
    other.clock.advance(40 * dayMs);
    await other.app.sweeper.nudge();
    expect(await isKept(other, id)).toBe(true);
    await other.close();
  });

  it('and goes ahead while the service runs makes everything wait until the operator has released it', async () => {
    let elapsed = 0;
    const clock = settableClock(new Date(Date.now() + 3_600_000));
    const jumping = await startApp({ clock, movesDatabaseClock: true, elapsedMs: () => elapsed });
    const id = await deleted(jumping, await logInAdmin(jumping));
    // A day of work and a clock that is set back by another do no harm.
    elapsed += dayMs;
    clock.advance(dayMs);
    await jumping.app.sweeper.nudge();
    clock.advance(-dayMs);
    await jumping.app.sweeper.nudge();
    clock.advance(dayMs);
    await jumping.app.sweeper.nudge();
    const jumps = async () => (await jumping.database.client.query('select seconds from holds')).rows;
    expect(await jumps()).toEqual([]);

    clock.advance(40 * dayMs);
    await jumping.app.sweeper.nudge();
    await jumping.app.sweeper.nudge();
    expect(await isKept(jumping, id)).toBe(true);
    expect(await jumps()).toEqual([{ seconds: (40 * dayMs) / 1000 }]);
    expect(jumping.logged()).toContain('keyhold restore --release');
    await jumping.app.domains.lifecycle.hold.release(operator('restore --release'));
    await jumping.app.sweeper.nudge();
    expect(await isKept(jumping, id)).toBe(false);
    await jumping.close();
  });

  it('and goes ahead in the middle of a look makes the rest of it wait', async () => {
    let elapsed = 0;
    const clock = settableClock(new Date(Date.now() + 3_600_000));
    const jumping = await startApp({ clock, movesDatabaseClock: true, elapsedMs: () => elapsed });
    const id = await deleted(jumping, await logInAdmin(jumping));
    const whileLooking = async (work: () => void): Promise<void> => {
      await jumping.database.client.query('begin; lock table sessions in access exclusive mode');
      const looking = jumping.app.sweeper.nudge();
      await until('the first sweep waits', 5000, async () => (await waiting(jumping)) > 0);
      work();
      await jumping.database.client.query('commit');
      await looking;
    };
    await whileLooking(() => clock.advance(40 * dayMs));
    expect(await isKept(jumping, id)).toBe(true);
    await jumping.app.domains.lifecycle.hold.release(operator('restore --release'));
    await jumping.app.sweeper.nudge();
    expect(await isKept(jumping, id)).toBe(false);

    const next = await deleted(jumping, await logInAdmin(jumping));
    // Time that has really passed is no jump.
    await whileLooking(() => {
      clock.advance(40 * dayMs);
      elapsed += 40 * dayMs;
    });
    await jumping.app.sweeper.nudge();
    expect(await isKept(jumping, next)).toBe(false);
    await jumping.close();
  });
});

it('what people were told of is kept for 30 days, and then trimmed', async () => {
  await create({});
  const events = async () => (await app.database.client.query('select 1 from events')).rows.length;
  await expect.poll(async () => (await app.app.domains.givePositions()) === 0 && (await events())).toBeGreaterThan(0);
  const before = await events();
  await days(29.9);
  expect(await events()).toBe(before);
  await days(0.2);
  expect(await events()).toBe(0);
});

import { mkdtemp, open, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { run } from '../../src/db/embedded/run.ts';
import { createTarget, expectClosed, expectOpen, expectUnchanged, type Target } from '../support/closed.ts';
import { until } from '../support/deadlines.ts';
import { type EmbeddedService, startEmbeddedService } from '../support/embedded-service.ts';
import { logInAdmin, people } from '../support/people.ts';
import { family } from '../support/process-family.ts';
import { mayLimit, mayMount, mountDisk, unmountDisk } from '../support/small-disk.ts';

const adaOf = async (service: EmbeddedService): Promise<Target> => {
  const { ada } = await people(service, await logInAdmin(service), 'ada');
  return await createTarget(ada);
};

/** Reveals until a reveal is refused: the existing files still have space for a few records. */
const revealUntilRefused = async (service: EmbeddedService, { owner, secret }: Target): Promise<number> => {
  let answered = 0;
  for (;;) {
    const { status } = await owner.call('GET', `/secrets/${secret.id}/value`);
    if (status === 503) return answered;
    expect(status).toBe(200);
    answered += 1;
    if (answered > 3000) throw new Error('the disk did not fill');
    expect(await service.postmaster()).toBeGreaterThan(0);
  }
};

const recorded = async (service: EmbeddedService): Promise<number> => {
  const client = await service.connect();
  const { rows } = await client.query(
    `select count(*)::int as reveals from audit_log where action = 'secret.reveal' and outcome = 'allowed'`,
  );
  await client.end();
  return rows[0].reveals;
};

const isReady = (service: EmbeddedService) => async (): Promise<boolean> => (await service.readiness()) === 200;

/** While nothing can be recorded, nothing is handed out. Once there is space again, the same process goes on. */
const expectClosedUntil = async (service: EmbeddedService, target: Target, makeRoom: () => Promise<void>) => {
  const { pid } = service.process();
  const before = await recorded(service);
  const answered = await revealUntilRefused(service, target);
  await expectClosed(target, { all: false, logins: false });
  await makeRoom();
  await until('it is ready again', 5000, isReady(service));
  expect(await recorded(service)).toBe(before + answered);
  await expectOpen(target);
  await expectUnchanged(target);
  expect(service.process().pid).toBe(pid);
};

describe.runIf(mayMount)('while the disk is full', () => {
  let directory: string;
  let service: EmbeddedService;
  let target: Target;
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'keyhold-small-'));
    mountDisk(directory, '256m');
    service = await startEmbeddedService({ directory });
    target = await adaOf(service);
  });
  afterAll(async () => {
    await service?.[Symbol.asyncDispose]();
    unmountDisk(directory);
    await rm(directory, { recursive: true });
  });

  const filler = () => join(directory, 'filler');
  const fill = async (): Promise<void> => {
    const file = await open(filler(), 'a');
    try {
      for (const size of [1_048_576, 4096]) {
        const block = Buffer.alloc(size);
        for (let room = true; room; )
          room = await file.write(block).then(
            ({ bytesWritten }) => bytesWritten === size,
            () => false,
          );
      }
    } finally {
      await file.close();
    }
  };
  const makeRoom = (): Promise<void> => rm(filler());

  it('while the disk is full, no value is handed out without a record, and the service recovers when there is space', async () => {
    await expectOpen(target);
    await fill();
    await expectClosedUntil(service, target, makeRoom);
  });

  it('while a full disk keeps the database from running, no value is handed out, and the service recovers when there is space', async () => {
    await expectOpen(target);
    await fill();
    const superuser = await service.connect();
    // The write-ahead log needs a new file, for which there is no space, so the server stops.
    for (let time = 0; time < 50; time += 1) {
      const lost = await superuser.query('select pg_switch_wal(), txid_current()').then(
        () => false,
        () => true,
      );
      if (lost) break;
    }
    await superuser.end().catch(() => undefined);
    await expectClosed(target, { all: false });
    await makeRoom();
    await until('it is ready again', 5000, isReady(service));
    await expectOpen(target);
    await expectUnchanged(target);
  });
});

describe.runIf(mayLimit)('while the files of the database cannot grow', () => {
  let service: EmbeddedService;
  let target: Target;
  beforeAll(async () => {
    service = await startEmbeddedService();
    target = await adaOf(service);
  });
  afterAll(() => service?.[Symbol.asyncDispose]());

  // The size of a file of the write-ahead log, which must still fit. The table of records is made as large before.
  const limit = 16 * 1_048_576;

  /** Sets the soft limit, which the database's user may raise again. Runs as that user, since root may not everywhere. */
  const setLimit = async (bytes: string): Promise<void> => {
    const { uid, gid } = await stat(join(service.dataDir, 'pg'));
    const as = process.geteuid?.() === 0 ? { uid, gid } : null;
    for (const pid of family(await service.postmaster())) {
      const { ok, output } = await run('prlimit', ['--pid', String(pid), `--fsize=${bytes}:`], { as });
      // A process that has ended needs no limit.
      if (!ok && !output.includes('No such process')) throw new Error(output);
    }
  };

  const growRecords = async (): Promise<void> => {
    const superuser = await service.connect();
    // Short records, so that no page has space for a real one.
    await superuser.query(
      `insert into audit_log select gen_random_uuid(), now(), 'filler', null, null, null, null, 'secret.list', null, null,
        'allowed', null, null, null, jsonb_build_object('filler', n), '\\x00', '\\x00'
        from generate_series(1, 160000) n`,
    );
    const { rows } = await superuser.query(`select pg_relation_size('audit_log')::int as size`);
    expect(rows[0].size).toBeGreaterThan(limit);
    await superuser.end();
  };

  it('while database files cannot grow, no value is handed out without a record, and the service recovers when they can', async () => {
    await growRecords();
    await expectOpen(target);
    await setLimit(String(limit));
    await expectClosedUntil(service, target, () => setLimit('unlimited'));
  });
});

it('a full disk can be simulated on Linux', () => {
  expect(mayMount || mayLimit).toBe(process.platform === 'linux');
});

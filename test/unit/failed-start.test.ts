import { describe, expect, it } from 'vitest';
import { type NextStep, nextStepAfter } from '../../src/db/embedded/failed-start.ts';
import { explainOutput } from '../../src/db/embedded/failure.ts';

const pid = '"/data/pg/data/postmaster.pid"';
const socketLock = '"/data/pg/socket/.s.PGSQL.5432.lock"';
const server = (severity: string, text: string): string => `2026-01-02 03:04:05.678 UTC [4711] ${severity}:  ${text}`;
const pgCtl = (text: string): string => `pg_ctl: ${text}`;

/** Sentences of PostgreSQL 15 to 18 (miscinit.c, pqcomm.c, sysv_shmem.c, pg_ctl.c), and what Keyhold does about each. */
const sentences: readonly (readonly [string, NextStep])[] = [
  [server('FATAL', `lock file ${pid} is empty`), 'wait'],
  [server('FATAL', `lock file ${socketLock} is empty`), 'wait'],
  [server('FATAL', `lock file ${pid} already exists`), 'wait'],
  [server('FATAL', `lock file ${socketLock} already exists`), 'wait'],
  [server('FATAL', `bogus data in lock file ${pid}: "x"`), 'wait'],
  [server('FATAL', `could not create lock file ${pid}: File exists`), 'wait'],
  [server('FATAL', `could not create lock file ${pid}: Permission denied`), 'refuse'],
  [server('FATAL', `could not create lock file ${pid}: Read-only file system`), 'refuse'],
  [server('FATAL', `could not create lock file ${pid}: No space left on device`), 'refuse'],
  [server('FATAL', `could not open lock file ${pid}: No such file or directory`), 'wait'],
  [server('FATAL', `could not open lock file ${pid}: Permission denied`), 'refuse'],
  [server('FATAL', `could not read lock file ${pid}: Input/output error`), 'refuse'],
  [server('FATAL', `could not read lock file ${pid}: Is a directory`), 'refuse'],
  [server('FATAL', `could not remove old lock file ${pid}: No such file or directory`), 'wait'],
  [server('FATAL', `could not remove old lock file ${pid}: Operation not permitted`), 'refuse'],
  [server('FATAL', `could not write lock file ${pid}: No space left on device`), 'refuse'],
  [server('FATAL', 'pre-existing shared memory block (key 5432, ID 7) is still in use'), 'end-orphans'],
  [server('FATAL', 'could not create shared memory segment: No space left on device'), 'refuse'],
  [server('FATAL', 'could not map anonymous shared memory: Cannot allocate memory'), 'refuse'],
  [server('LOG', 'could not bind Unix address "/data/pg/socket/.s.PGSQL.5432": Address already in use'), 'wait'],
  [server('LOG', 'could not bind Unix address "/data/pg/socket/.s.PGSQL.5432": Permission denied'), 'refuse'],
  [server('FATAL', 'data directory "/data/pg/data" has wrong ownership'), 'refuse'],
  [server('FATAL', 'data directory "/data/pg/data" has invalid permissions'), 'refuse'],
  [server('PANIC', 'could not locate a valid checkpoint record at 0/1'), 'refuse'],
  [server('LOG', 'received fast shutdown request'), 'wait'],
  [server('LOG', 'received immediate shutdown request'), 'wait'],
  [pgCtl(`the PID file ${pid} is empty`), 'wait'],
  [pgCtl(`invalid data in PID file ${pid}`), 'wait'],
  [pgCtl(`could not open PID file ${pid}: Permission denied`), 'refuse'],
  [pgCtl('another server might be running; trying to start server anyway'), 'refuse'],
  [pgCtl('server did not start in time'), 'wait'],
  [pgCtl('could not start server\nExamine the log output.'), 'refuse'],
  [pgCtl('could not start server: Resource temporarily unavailable'), 'refuse'],
  ['', 'refuse'],
];

describe('a failed attempt to start PostgreSQL', () => {
  it.each(sentences)('the next step after a failed start that printed %j is to %s', (sentence, step) => {
    expect(nextStepAfter(sentence)).toBe(step);
    const between = [
      pgCtl('another server might be running; trying to start server anyway'),
      server('LOG', 'starting PostgreSQL 18.4 on x86_64-pc-linux-gnu'),
      sentence,
      server('LOG', 'database system is shut down'),
      pgCtl('could not start server\nExamine the log output.'),
    ];
    expect(nextStepAfter(between.join('\n'))).toBe(step);
  });

  it('answers to clients while the server started are not taken for the reason of a failed start', () => {
    const clients = ['is starting up', 'is shutting down', 'is in recovery mode', 'is not yet accepting connections'];
    const answers = clients.map((end) => server('FATAL', `the database system ${end}`));
    const reason = server('PANIC', 'could not locate a valid checkpoint record at 0/1');
    const output = [reason, ...answers, pgCtl('could not start server\nExamine the log output.')].join('\n');
    expect(nextStepAfter(output)).toBe('refuse');
    expect(explainOutput('Starting the database', output, '/data/pg').message).toContain('a valid checkpoint record');
  });
});

describe('the sentence about a failed start', () => {
  const detail = (output: string): string => explainOutput('Starting the database', output, '/data/pg').message;

  it('the message tells a full disk from a lack of shared memory, which the system reports in the same words', () => {
    expect(detail(server('FATAL', `could not write lock file ${pid}: No space left on device`))).toContain(
      '/data/pg cannot be used: the disk is full.',
    );
    for (const what of [
      'could not create shared memory segment: No space left on device',
      'could not resize shared memory segment "/PostgreSQL.1" to 1048576 bytes: No space left on device',
      'could not create semaphores: No space left on device',
      'could not map anonymous shared memory: Cannot allocate memory',
    ]) {
      expect(detail(server('FATAL', what))).toContain('too little shared memory');
    }
  });

  it('the message says that no reason was given when the server was killed', () => {
    expect(detail(pgCtl('could not start server\nExamine the log output.'))).toContain('it gave no reason');
  });
});

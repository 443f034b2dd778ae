import { createRequire } from 'node:module';
import { CompiledQuery, type Kysely, sql } from 'kysely';
import type { QueueOptions } from 'pg-boss';
import { KeyholdError } from '../core/errors.ts';
import { inOneProcess, roleExists, serviceRole } from './grants.ts';
import { sqlState } from './postgres-errors.ts';

/** The schema that belongs to pg-boss. Nothing in it decides anything: a message there names a row of `public.jobs`. */
export const jobSchema = 'keyhold_jobs';

/** The one queue of every kind of job. */
export const jobQueue = 'work';

/**
 * Raised whenever `queues` changes. The schema's comment keeps it, so that an older version that starts later does not
 * put its own options back.
 */
const queuesVersion = 1;

/**
 * Every queue with its options. A message is one slice of a job, which takes half a minute at most, so it expires soon.
 * It is never retried: what a lost one stood for is found again by its row.
 */
const queues: Readonly<
  Record<
    string,
    Required<Pick<QueueOptions, 'expireInSeconds' | 'retryLimit' | 'retentionSeconds' | 'deleteAfterSeconds'>>
  >
> = {
  [jobQueue]: { expireInSeconds: 60, retryLimit: 0, retentionSeconds: 86_400, deleteAfterSeconds: 3600 },
};

interface PgBossPackage {
  readonly pgboss: { readonly schema: number };
}

/** The version of the schema that this pg-boss works with. It states it in its package and refuses any other. */
const wantedVersion = (): number =>
  (createRequire(import.meta.url)('pg-boss/package.json') as PgBossPackage).pgboss.schema;

/**
 * How the schema of pg-boss stands: `ready`; `missing` or `older` until it is migrated; `newer` where a later Keyhold
 * migrated it; `closed` where the service's role may not use it.
 */
export type JobSchemaState = 'ready' | 'missing' | 'older' | 'newer' | 'closed';

const insufficientPrivilege = '42501';

/** Reads the state as the service sees it. Rejects only where the database cannot answer. */
export const jobSchemaState = async <T>(db: Kysely<T>): Promise<JobSchemaState> => {
  const { rows: relations } = await sql`select from pg_class c join pg_namespace n on n.oid = relnamespace
    where nspname = ${jobSchema} and relname = 'version'`.execute(db);
  if (relations.length === 0) return 'missing';
  try {
    const { rows } = await sql<{ version: unknown }>`select version from keyhold_jobs.version
      where exists (select from keyhold_jobs.queue where name = ${jobQueue})`.execute(db);
    const version = Number(rows[0]?.version);
    if (rows.length !== 1 || Number.isNaN(version)) return 'missing';
    if (version === wantedVersion()) return 'ready';
    return version < wantedVersion() ? 'older' : 'newer';
  } catch (error) {
    if (sqlState(error) === insufficientPrivilege) return 'closed';
    throw error;
  }
};

type AnyDb = Kysely<unknown>;

interface Prepared {
  readonly state: JobSchemaState;
  readonly queues: number;
  /** Builds of indexes that pg-boss left for later. */
  readonly unfinished: boolean;
}

const readPrepared = async (db: AnyDb): Promise<Prepared> => {
  const state = await jobSchemaState(db);
  if (state === 'missing' || state === 'older') return { state, queues: 0, unfinished: false };
  const { rows } = await sql<{ comment: string | null; unfinished: boolean }>`
    select obj_description(oid, 'pg_namespace') as comment,
      exists (select from keyhold_jobs.bam where status <> 'completed') as unfinished
    from pg_namespace where nspname = ${jobSchema}`.execute(db);
  const version = Number(/ queues version (\d+)/.exec(rows[0]?.comment ?? '')?.[1] ?? 0);
  return { state, queues: version, unfinished: rows[0]?.unfinished ?? false };
};

const maxBuildMs = 600_000;
const pollMs = 200;

/** Installs or migrates the schema, brings the queues up to date, and waits for the builds of indexes. */
const installWithPgBoss = async (db: AnyDb, prepared: Prepared): Promise<void> => {
  const { PgBoss } = await import('pg-boss');
  const boss = new PgBoss({
    schema: jobSchema,
    db: {
      executeSql: async (text, values = []) => {
        const { rows } = await db.executeQuery(CompiledQuery.raw(text, values));
        return { rows };
      },
    },
    supervise: false,
    schedule: false,
    registerInstance: false,
    bamIntervalSeconds: 10,
  });
  const errors: Error[] = [];
  boss.on('error', (error) => errors.push(error));
  await boss.start();
  try {
    if (prepared.queues < queuesVersion) await bringQueuesUpToDate(db, boss);
    await finishBuilds(boss, errors);
  } finally {
    await boss.stop({ close: false, graceful: false });
  }
};

type Boss = InstanceType<typeof import('pg-boss')['PgBoss']>;

const bringQueuesUpToDate = async (db: AnyDb, boss: Boss): Promise<void> => {
  for (const [name, options] of Object.entries(queues)) {
    // Creating a queue that exists changes nothing, so its options are set by themselves.
    await boss.createQueue(name, options);
    await boss.updateQueue(name, options);
  }
  await sql
    .raw(`COMMENT ON SCHEMA ${jobSchema} IS 'Messages of Keyhold''s jobs; queues version ${queuesVersion}'`)
    .execute(db);
};

const finishBuilds = async (boss: Boss, errors: readonly Error[]): Promise<void> => {
  const deadline = Date.now() + maxBuildMs;
  for (;;) {
    const unfinished = (await boss.getBamStatus()).filter(({ status }) => status !== 'completed');
    if (unfinished.length === 0) return;
    if (errors.length > 0 || unfinished.some(({ status }) => status === 'failed') || Date.now() > deadline)
      throw new KeyholdError(
        'state_conflict',
        `An index of the schema ${jobSchema} could not be built: ${errors.at(-1)?.message ?? 'it takes too long'}. Run "keyhold migrate up" again.`,
      );
    await new Promise((resolve) => setTimeout(resolve, pollMs));
  }
};

const columnsExcept = async (db: AnyDb, table: string, except: readonly string[]): Promise<string> => {
  const { rows } = await sql<{ name: string }>`select attname as name from pg_attribute
    where attrelid = ${`${jobSchema}.${table}`}::regclass and attnum > 0 and not attisdropped order by attnum`.execute(
    db,
  );
  return rows.flatMap(({ name }) => (except.includes(name) ? [] : [`"${name}"`])).join(', ');
};

/**
 * What the service needs of the schema: messages, counts and times. It cannot write what the migrator's statements are
 * made of: the version, names of tables, and commands that build indexes.
 */
const grantService = async (db: AnyDb): Promise<void> => {
  if (!(await roleExists(db))) return;
  const times = await columnsExcept(db, 'version', ['version']);
  const counts = await columnsExcept(db, 'queue', ['name', 'policy', 'partition', 'table_name']);
  await sql
    .raw(
      `GRANT USAGE ON SCHEMA ${jobSchema} TO ${serviceRole}; REVOKE CREATE ON SCHEMA ${jobSchema} FROM ${serviceRole};
    REVOKE ALL ON ALL TABLES IN SCHEMA ${jobSchema} FROM ${serviceRole};
    GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA ${jobSchema} TO ${serviceRole};
    REVOKE INSERT, UPDATE, DELETE ON ${jobSchema}.version, ${jobSchema}.bam FROM ${serviceRole};
    REVOKE INSERT, UPDATE, DELETE ON ${jobSchema}.queue FROM ${serviceRole};
    GRANT UPDATE (${times}) ON ${jobSchema}.version TO ${serviceRole};
    GRANT UPDATE (${counts}) ON ${jobSchema}.queue TO ${serviceRole};
    GRANT USAGE ON ALL SEQUENCES IN SCHEMA ${jobSchema} TO ${serviceRole};`,
    )
    .execute(db);
};

const noRight = (cause: unknown): KeyholdError =>
  new KeyholdError(
    'state_conflict',
    `The schema ${jobSchema} could not be created, because the login of the migrations may not create schemas in this database. Have an administrator of the database run: CREATE SCHEMA ${jobSchema} AUTHORIZATION <that login>; and then run "keyhold migrate up".`,
    { cause },
  );

/**
 * Installs the schema of pg-boss or migrates it to this version, brings every queue and its options up to date, finishes
 * the builds of indexes, and grants the service what it needs; in one process at a time. It leaves alone what a newer
 * Keyhold made. `db` is the migrator's. Throws `state_conflict` where the login may not create the schema.
 */
export const prepareJobs = (db: AnyDb): Promise<void> =>
  inOneProcess(db, async () => {
    try {
      const prepared = await readPrepared(db);
      if (prepared.state === 'newer') return;
      if (prepared.state !== 'ready' || prepared.queues < queuesVersion || prepared.unfinished)
        await installWithPgBoss(db, prepared);
      await grantService(db);
    } catch (error) {
      throw sqlState(error) === insufficientPrivilege ? noRight(error) : error;
    }
  });

import { dataOf, type Job, type Keys, type RootKey } from '../../client/index.ts';
import type { CliContext } from '../context.ts';
import { type Administrator, asAdministrator, type PasswordOptions } from './administrator.ts';
import { adviceOn, instantText, isPending } from './advice.ts';
import { isFinished } from './follow.ts';
import { jobText } from './job-line.ts';
import { serviceName, waitsOf } from './waits.ts';

const kinds: readonly string[] = ['rewrap', 'reencrypt', 'reseal'];

/** The jobs about keys that are not over. */
const unfinishedJobs = async (administrator: Administrator): Promise<readonly Job[]> => {
  const query = { limit: 200 };
  const { jobs } = await dataOf((await administrator.client()).GET('/api/v1/admin/jobs', { params: { query } }));
  return jobs.filter((job) => kinds.includes(job.kind) && !isFinished(job));
};

const canRetire = (key: RootKey): string => {
  if (key.state === 'retired') return key.retired_at === null ? 'retired' : instantText(key.retired_at);
  if (key.state !== 'current' || isPending(key)) return '';
  return key.needed_for.length === 0 ? 'now' : 'not yet';
};

const rootKeyRow = (key: RootKey): string[] => [
  key.id,
  isPending(key) ? 'added' : key.state,
  String(key.owner_keys),
  String(key.logins),
  key.added_at === null ? '' : instantText(key.added_at),
  canRetire(key),
];

/** The keys, the services that hold them and the jobs about them, as text. */
const statusText = (context: CliContext, keys: Keys, jobs: readonly Job[]): string => {
  const { out } = context;
  const advice = adviceOn(keys, { isResealing: jobs.some(({ kind }) => kind === 'reseal') });
  const parts = [
    out.table(
      ['ROOT KEY', 'STATE', 'OWNER KEYS', 'LOGINS', 'ADDED', 'RETIRE'],
      keys.root_keys.map((key) => rootKeyRow(key)),
    ),
    out.table(
      ['SEAL KEY', 'STATE', 'GENERATION', 'CREATED'],
      keys.seal_keys.map(({ id, state, generation, created_at }) => [
        id,
        state,
        String(generation),
        instantText(created_at),
      ]),
    ),
    out.table(
      ['SERVICE', 'ROOT KEYS', 'SEALS WITH', 'LAST HEARD OF'],
      keys.services.map((service) => [
        serviceName(service),
        service.root_key_ids.join(' '),
        `generation ${service.seal_generation}`,
        instantText(service.seen_at),
      ]),
    ),
    jobs.map((job) => `${jobText(job, job.state === 'queued' ? waitsOf(job, keys) : [])} (job ${job.id})\n`).join(''),
    [`The root keys come from ${keys.source}.`, ...advice].map((line) => `${line}\n`).join(''),
  ];
  return parts.filter((part) => part !== '').join('\n');
};

/** `keys status` */
export const showStatus = async (context: CliContext, options: PasswordOptions): Promise<void> => {
  const { keys, jobs } = await asAdministrator(context, options, async (administrator) => ({
    keys: await dataOf((await administrator.client()).GET('/api/v1/admin/keys')),
    jobs: await unfinishedJobs(administrator),
  }));
  await context.out.result({ ...keys, jobs }, () => statusText(context, keys, jobs));
};

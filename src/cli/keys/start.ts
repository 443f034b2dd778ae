import { type Client, dataOf, type Job } from '../../client/index.ts';
import { isUuid } from '../../core/uuid.ts';
import type { CliContext } from '../context.ts';
import { usage } from '../failure.ts';
import { printable } from '../printable.ts';
import { userIdOf } from '../secrets/people.ts';
import { type Administrator, asAdministrator, type PasswordOptions, tellIfNotFound } from './administrator.ts';
import { followJob } from './follow.ts';

export interface JobOptions extends PasswordOptions {
  /** False with --no-wait. */
  readonly wait: boolean;
}

/** Follows a job that was started, or prints its id with --no-wait. */
export const followUnless = async (
  context: CliContext,
  administrator: Administrator,
  { wait }: JobOptions,
  job: Job,
): Promise<Job | null> => {
  if (wait) return await followJob(context, administrator, job);
  await context.out.result(job, () => `${job.id}\n`);
  context.out.note(`The service works on job ${job.id}. "keyhold keys status" shows how far it is.`);
  return null;
};

const startAndFollow = (
  context: CliContext,
  options: JobOptions,
  start: (client: Client) => Promise<Job>,
  done: (job: Job) => string,
): Promise<void> =>
  asAdministrator(context, options, async (administrator) => {
    const started = await start(await administrator.client());
    const job = await followUnless(context, administrator, options, started);
    if (job !== null) context.out.note(done(job));
  });

const counted = (count: number, one: string, many: string): string =>
  count === 1 ? `One ${one} was` : `${count} ${many} were`;

/** `keys rewrap` */
export const rewrap = (context: CliContext, options: JobOptions): Promise<void> =>
  startAndFollow(
    context,
    options,
    (client) => dataOf(client.POST('/api/v1/admin/keys/rewrap')),
    ({ done }) => `${counted(done, 'owner key', 'owner keys')} wrapped under the primary root key, as all others are.`,
  );

/** `keys reencrypt` */
export const reencrypt = (context: CliContext, options: JobOptions & { readonly user?: string }): Promise<void> =>
  startAndFollow(
    context,
    options,
    async (client) => {
      const body = options.user === undefined ? {} : { user_id: await userIdOf(client, options.user) };
      return await tellIfNotFound(`There is no user ${printable(options.user ?? '')} who has a key.`, () =>
        dataOf(client.POST('/api/v1/admin/keys/reencrypt', { body })),
      );
    },
    ({ done }) => `${counted(done, 'value', 'values')} encrypted with a new owner key. The old ones are destroyed.`,
  );

/** `keys rotate-seal` */
export const rotateSeal = (context: CliContext, options: JobOptions): Promise<void> =>
  startAndFollow(
    context,
    options,
    (client) => dataOf(client.POST('/api/v1/admin/keys/rotate-seal')),
    ({ done }) =>
      `${counted(done, 'row', 'rows')} sealed with the new seal key. Older ones are retired and verify audit records only.`,
  );

/** `keys reload` */
export const reload = (context: CliContext, options: PasswordOptions): Promise<void> =>
  asAdministrator(context, options, async (administrator) => {
    const keys = await dataOf((await administrator.client()).POST('/api/v1/admin/keys/reload'));
    const primary = keys.root_keys.find(({ state }) => state === 'primary')?.id;
    const others = keys.root_keys.filter(({ state }) => state === 'current').map(({ id }) => id);
    const also = others.length === 0 ? '' : ` It also has ${others.join(', ')}.`;
    context.out.note(
      `The service read its root keys again from ${keys.source}. The primary one is ${primary}.${also} Reload the other services too, if there are any.`,
    );
    await context.out.result(keys, () => null);
  });

/** `keys cancel` */
export const cancel = (context: CliContext, id: string, options: PasswordOptions): Promise<void> => {
  if (!isUuid(id)) throw usage('A job is named by its id, which "keyhold keys status" shows.');
  return asAdministrator(context, options, async (administrator) => {
    const client = await administrator.client();
    const job = await tellIfNotFound('There is no job of this id. "keyhold keys status" lists them.', () =>
      dataOf(client.DELETE('/api/v1/admin/jobs/{id}', { params: { path: { id } } })),
    );
    context.out.note(`Job ${id} was cancelled. What it had done stays.`);
    await context.out.result(job, () => null);
  });
};

import { dataOf, Refusal } from '../../client/index.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, usage } from '../failure.ts';
import { createUsernames } from './people.ts';
import { resolveSecret } from './resolve.ts';

/** `rm`: asks first on a terminal, and elsewhere wants to be told by --yes. */
export const remove = async (
  context: CliContext,
  text: string,
  { purge = false, yes = false }: { purge?: boolean; yes?: boolean },
): Promise<void> => {
  if (!yes && !context.input.canAsk) throw usage('Nobody can be asked here. Add --yes to delete without a question.');
  const client = await context.client();
  const { id, name } = await find(context, text, purge);
  const question = purge ? `Erase ${name} for good, with all its versions?` : `Delete ${name}?`;
  if (!yes && !(await context.input.confirm(question, 'Add --yes to delete without a question.'))) {
    throw new CliFailure(exitCodes.interrupted, 'Nothing was deleted.');
  }
  await client.DELETE('/api/v1/secrets/{id}', { params: { path: { id }, query: { purge } } });
  context.out.note(purge ? `${name} is erased.` : `${name} is deleted. To bring it back: keyhold recover ${id}`);
  await context.out.result({ id, name, erased: purge }, () => null);
};

/** A deleted secret can still be erased. */
const find = async (context: CliContext, text: string, purge: boolean) => {
  const client = await context.client();
  try {
    return await resolveSecret(context, client, text);
  } catch (error) {
    if (!purge || !(error instanceof CliFailure) || error.exitCode !== exitCodes.notFound) throw error;
    return await resolveSecret(context, client, text, { state: 'deleted' });
  }
};

/** `recover` */
export const recover = async (context: CliContext, text: string): Promise<void> => {
  const client = await context.client();
  const { id } = await resolveSecret(context, client, text, { state: 'deleted' });
  const secret = await dataOf(client.POST('/api/v1/secrets/{id}/recover', { params: { path: { id } } }));
  context.out.note(`${secret.name} is back.`);
  await context.out.result(secret, () => null);
};

/** `history` */
export const history = async (context: CliContext, text: string): Promise<void> => {
  const client = await context.client();
  const { id } = await resolveSecret(context, client, text);
  const { versions } = await dataOf(client.GET('/api/v1/secrets/{id}/versions', { params: { path: { id } } }));
  const usernames = createUsernames(client);
  await context.out.result(versions, async () => {
    const rows = versions.map(async ({ version, created_at, created_by, current, destroyed_at }) => [
      String(version),
      created_at,
      await usernames(created_by),
      current ? 'current' : destroyed_at === null ? '' : 'erased',
    ]);
    return context.out.table(['VERSION', 'SET AT', 'BY', 'STATE'], await Promise.all(rows));
  });
};

const noVersion = (text: string, version: string, cause: unknown): CliFailure =>
  new CliFailure(
    exitCodes.notFound,
    `${text} has no version ${version} to restore. "keyhold history ${text}" lists them.`,
    { cause },
  );

/** The secret was found a moment ago: what is not there is the version. */
const orNoVersion = async <T>(text: string, version: string, asked: Promise<T>): Promise<T> => {
  try {
    return await asked;
  } catch (error) {
    throw error instanceof Refusal && error.problem.code === 'not_found' ? noVersion(text, version, error) : error;
  }
};

/** `restore` */
export const restore = async (context: CliContext, text: string, version: string): Promise<void> => {
  if (!/^[1-9]\d{0,8}$/.test(version)) throw usage('A version is a whole number; "keyhold history" lists them.');
  const client = await context.client();
  const { id } = await resolveSecret(context, client, text);
  const secret = await dataOf(
    orNoVersion(
      text,
      version,
      client.POST('/api/v1/secrets/{id}/versions/{v}/restore', { params: { path: { id, v: version } } }),
    ),
  );
  context.out.note(`${secret.name} has the value of version ${version} again, as version ${secret.version}.`);
  await context.out.result(secret, () => null);
};

/** `transfer` */
export const transfer = async (
  context: CliContext,
  text: string,
  { toSession, toUser }: { toSession?: string; toUser?: boolean },
): Promise<void> => {
  if (toSession === undefined && !toUser) throw usage('Say where to: --to-session <session> or --to-user.');
  const client = await context.client();
  const { id } = await resolveSecret(context, client, text);
  const body =
    toSession === undefined ? ({ scope: 'user' } as const) : ({ scope: 'session', session_id: toSession } as const);
  const secret = await dataOf(client.POST('/api/v1/secrets/{id}/transfer', { params: { path: { id } }, body }));
  context.out.note(
    toSession === undefined ? `${secret.name} is yours alone.` : `${secret.name} is in session ${toSession}.`,
  );
  await context.out.result(secret, () => null);
};

/** `activate` and `deactivate` */
export const switchState = async (
  context: CliContext,
  text: string,
  verb: 'activate' | 'deactivate',
): Promise<void> => {
  const client = await context.client();
  const { id } = await resolveSecret(context, client, text);
  const params = { path: { id } };
  const secret = await dataOf(
    verb === 'activate'
      ? client.POST('/api/v1/secrets/{id}/activate', { params })
      : client.POST('/api/v1/secrets/{id}/deactivate', { params }),
  );
  context.out.note(`${secret.name} is ${verb === 'activate' ? 'active' : 'inactive'}.`);
  await context.out.result(secret, () => null);
};

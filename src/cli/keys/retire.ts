import { type Client, dataOf, type Job, type paths } from '../../client/index.ts';
import { isUuid } from '../../core/uuid.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, usage } from '../failure.ts';
import { cannotPrompt } from '../input.ts';
import { type Administrator, asAdministrator, tellIfNotFound } from './administrator.ts';
import { backupsText } from './advice.ts';
import { followUnless, type JobOptions } from './start.ts';

export interface RetireOptions extends JobOptions {
  readonly endLogins: boolean;
  readonly giveUp?: readonly string[];
  readonly yes: boolean;
}

type Body = paths['/api/v1/admin/keys/retire']['post']['requestBody']['content']['application/json'];
type BrokenRow = NonNullable<Body['give_up']>[number];

const readRow = (text: string): BrokenRow => {
  const at = text.indexOf(':');
  if (at < 1 || at === text.length - 1)
    throw usage('--give-up names a row by its table and its key, as "keyhold doctor" does: --give-up secrets:<id>');
  return { table: text.slice(0, at) as BrokenRow['table'], key: text.slice(at + 1) };
};

const readKey = (text: string): Pick<Body, 'root_key_id' | 'seal_key_id'> => {
  if (/^[0-9a-f]{16}$/.test(text)) return { root_key_id: text };
  if (isUuid(text)) return { seal_key_id: text.toLowerCase() };
  throw usage('A key is named by its id, which "keyhold keys status" shows.');
};

const question = (key: string, { giveUp = [], endLogins }: RetireOptions): string =>
  [
    ...(giveUp.length === 0
      ? []
      : [`${giveUp.length} ${giveUp.length === 1 ? 'row is' : 'rows are'} removed for good.`]),
    ...(endLogins ? ['Whoever logged in under it has to log in again.'] : []),
    `Retire ${key} for good?`,
  ].join(' ');

const confirmed = async (context: CliContext, key: string, options: RetireOptions): Promise<void> => {
  if (options.yes) return;
  if (!(await context.input.confirm(question(key, options))))
    throw new CliFailure(exitCodes.interrupted, 'Nothing was retired.');
};

const removeText = (id: string, source: string): string =>
  source === 'KEYHOLD_ROOT_KEYS'
    ? `Root key ${id} is retired. Remove it from ${source} of every service before its next start.`
    : `Root key ${id} is retired. Remove its line from ${source}, and from the files of other services, then run: keyhold keys reload`;

const retired = async (context: CliContext, client: Client, id: string): Promise<void> => {
  const keys = await dataOf(client.GET('/api/v1/admin/keys'));
  const key = keys.root_keys.find((one) => one.id === id);
  context.out.note(removeText(id, keys.source));
  if (key) context.out.note(`${backupsText(key)} After that, destroy every copy of it.`);
  await context.out.result(key ?? { id }, () => null);
};

const retireSeals = async (
  context: CliContext,
  administrator: Administrator,
  options: RetireOptions,
  job: Job,
): Promise<void> => {
  if ((await followUnless(context, administrator, options, job)) === null) return;
  context.out.note('Seal keys before the newest one are retired. They verify audit records only.');
};

const notKnown =
  'There is no key of this id, or no row of one that is to be given up. "keyhold keys status" lists the keys.';

/** `keys retire` */
export const retire = async (context: CliContext, text: string, options: RetireOptions): Promise<void> => {
  const key = readKey(text);
  const give_up = (options.giveUp ?? []).map(readRow);
  if (!options.yes && !context.input.canPrompt) throw usage(cannotPrompt);
  await asAdministrator(context, options, async (administrator) => {
    await confirmed(context, text, options);
    const body: Body = { ...key, end_logins: options.endLogins, ...(give_up.length === 0 ? {} : { give_up }) };
    const { job } = await tellIfNotFound(notKnown, async () =>
      dataOf((await administrator.client()).POST('/api/v1/admin/keys/retire', { body })),
    );
    if (job !== null) return await retireSeals(context, administrator, options, job);
    await retired(context, await administrator.client(), text);
  });
};

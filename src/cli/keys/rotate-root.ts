import { dataOf, type Job, type Keys, Refusal } from '../../client/index.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, tellIfInterrupted } from '../failure.ts';
import { printable } from '../printable.ts';
import { type Administrator, asAdministrator } from './administrator.ts';
import { backupsText, isPending, tokensText } from './advice.ts';
import { startProgressLine } from './job-line.ts';
import { followUnless, type JobOptions } from './start.ts';

const askEveryMs = 2000;
/** After so many answers, whoever waits learns what to do for services that do not take the key up by themselves. */
const hintAfter = 5;

/** Variables need a restart, and files a reload. */
const stepsByHand = ({ source }: Keys): string => {
  const place = printable(source);
  const isVariable = source === 'KEYHOLD_ROOT_KEYS';
  const takeUp = isVariable ? 'restart them one after the other' : 'run "keyhold keys reload" on each';
  return [
    'To replace the root key by hand:',
    '  1. Make a new key: keyhold keygen',
    `  2. Add it to ${place} of every service as the last key, and ${takeUp}.`,
    `  3. Make it the first key in ${place} of every service, and ${takeUp}.`,
    '  4. Move the owner keys to it: keyhold keys rewrap',
    '  5. See when the old key can be retired: keyhold keys status',
  ].join('\n');
};

/** The keys; with `renew`, after the login of this command has moved to the primary root key. */
const readKeys = async (administrator: Administrator, renew = false): Promise<Keys> =>
  await dataOf((await administrator.client(renew)).GET('/api/v1/admin/keys'));

const withSteps = (cause: unknown, keys: Keys): unknown => {
  if (!(cause instanceof Refusal) || cause.problem.code !== 'state_conflict') return cause;
  return new CliFailure(exitCodes.conflict, `${printable(cause.problem.detail)}\n${stepsByHand(keys)}`, { cause });
};

/** One step, whose refusal comes with the steps by hand. */
const step = async (administrator: Administrator, keys: Keys) => {
  try {
    return await dataOf((await administrator.client()).POST('/api/v1/admin/keys/rotate-root'));
  } catch (error) {
    throw withSteps(error, keys);
  }
};

const hint = (id: string, { source }: Keys): string =>
  `Services that read the same file take root key ${id} up by themselves. For one with a file of its own, copy the last line of ${source} to the end of that file, and reload it: send it SIGHUP, or run "keyhold keys reload" there.`;

const laterText = (id: string): string =>
  `Root key ${id} was added, and is not used yet. "keyhold keys rotate-root" goes on from there.`;

/** Says what a new key waits for: to people in one line and, after a while, with what they can do; to programs as JSON. */
const createWaiting = (context: CliContext, keys: Keys) => {
  const line = startProgressLine(context);
  let answers = 0;
  let printed = '';
  return {
    show: async (id: string, waiting_for: readonly string[]): Promise<void> => {
      answers += 1;
      const names = waiting_for.join(' and ');
      if (answers === 1) context.out.note(`Root key ${id} was added to ${keys.source} as the last one.`);
      if (names !== printed) await context.out.jsonLine({ root_key_id: id, job: null, waiting_for });
      printed = names;
      if (answers === hintAfter) {
        line.end();
        context.out.note(`Waiting for ${names}. ${hint(id, keys)}`);
      }
      line.show(`Waiting for ${names} to take up root key ${id}`);
    },
    end: line.end,
  };
};

/** Asks until every service holds the new key, and resolves to it and the job that moves owner keys to it. */
const promoted = async (
  context: CliContext,
  administrator: Administrator,
  keys: Keys,
): Promise<{ readonly id: string; readonly job: Job }> => {
  const waiting = createWaiting(context, keys);
  try {
    for (;;) {
      const { root_key_id: id, waiting_for = [], job } = await step(administrator, keys);
      if (job) return { id, job };
      await waiting.show(id, waiting_for);
      await tellIfInterrupted(
        () => laterText(id),
        () => administrator.pause(askEveryMs),
      );
    }
  } finally {
    waiting.end();
  }
};

const loginsText = (logins: number): string[] =>
  logins === 0
    ? []
    : [
        `${logins === 1 ? 'One login needs' : `${logins} logins need`} it until refreshed. "--end-logins" ends such logins when it is retired.`,
      ];

/** What is left to do with the keys before. */
const afterwards = (id: string, { root_keys }: Keys): string =>
  root_keys
    .filter((key) => key.state === 'current' && key.id !== id && !isPending(key))
    .map((key) =>
      [
        `Root key ${key.id} wraps no owner key any more.`,
        ...[...tokensText(key), ...loginsText(key.logins), backupsText(key)],
        `Once nothing needs it, retire it: keyhold keys retire ${key.id}`,
      ].join('\n'),
    )
    .join('\n\n');

const isPrimaryText = (id: string, { source }: Keys): string =>
  `Root key ${id} is the primary one now. Back up ${source} now, separately from the database: nothing opens without it.`;

/** `keys rotate-root` */
export const rotateRoot = (context: CliContext, options: JobOptions): Promise<void> =>
  asAdministrator(context, options, async (administrator) => {
    const before = await readKeys(administrator);
    const { id, job } = await promoted(context, administrator, before);
    // Said now, since the key is in use whatever becomes of the job.
    context.out.warn(isPrimaryText(id, before));
    if ((await followUnless(context, administrator, options, job)) === null) return;
    const keys = await readKeys(administrator, true);
    await context.out.jsonLine({ root_key_id: id, job: null, waiting_for: [], keys });
    context.out.note(afterwards(id, keys));
  });

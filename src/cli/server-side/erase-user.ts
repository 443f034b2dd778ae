import type { OperatorApp } from '../../app.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, usage } from '../failure.ts';
import { cannotPrompt } from '../input.ts';
import { asOperator } from './open.ts';
import { idOf } from './users.ts';

interface EraseOptions {
  /** Show what would be lost, and erase nothing. */
  readonly preview: boolean;
  /** Skip the confirmation. */
  readonly yes: boolean;
}

type Preview = Awaited<ReturnType<OperatorApp['lifecycle']['previewErasure']>>;
type Receipt = Awaited<ReturnType<OperatorApp['lifecycle']['erase']>>;

const countRows = ({ counts }: Pick<Preview, 'counts'>): readonly (readonly [string, string])[] => [
  ['secrets', `${counts.secrets}, with ${counts.versions} earlier versions`],
  ['shares with them', String(counts.shares)],
  ['running sessions', String(counts.sessions)],
  ['presences in sessions', String(counts.participations)],
  ['hand-overs', String(counts.handovers)],
  ['logins and tokens', `${counts.logins} and ${counts.tokens}`],
  ['webhooks', String(counts.webhooks)],
  ['memories', String(counts.memories)],
];

const nameOf = ({ user_id, username }: { readonly user_id: string; readonly username: string | null }): string =>
  username ?? user_id;

/** Whom it concerns: the secrets that others lose, and the sessions that end for others. */
const affectedLines = ({ shared_secrets, shared_secrets_total, running_sessions }: Preview): readonly string[] => [
  ...shared_secrets.map(({ id, shared_with }) => `Secret ${id} is lost to ${shared_with.map(nameOf).join(', ')}.`),
  ...(shared_secrets_total > shared_secrets.length
    ? [`${shared_secrets_total - shared_secrets.length} more shared secrets are not listed.`]
    : []),
  ...running_sessions.map(({ id, participants }) => {
    const who = participants.map((one) => `${nameOf(one)} (${one.secrets} secrets in it)`);
    return `Session ${id} ends for ${who.join(', ')}.`;
  }),
];

/** What would be erased can be given to somebody instead. */
const handOverAdvice = ({ counts, username }: Preview): readonly string[] =>
  counts.secrets === 0
    ? []
    : [`To keep the secrets, disable ${username} and run "keyhold handover user ${username} --to <user>" first.\n`];

const previewText = (context: CliContext, preview: Preview): string =>
  [
    `Erasing ${preview.username} takes away:\n${context.out.facts(countRows(preview))}`,
    ...affectedLines(preview).map((line) => `${line}\n`),
    ...handOverAdvice(preview),
    ...preview.blocking.map(({ detail }) => `It would be refused now: ${detail}\n`),
  ].join('');

const receiptText = (context: CliContext, username: string, receipt: Receipt): string => {
  const rest = receipt.complete
    ? ''
    : `The rest can no longer be read by anybody. A running service deletes it (job ${receipt.job_id}).\n`;
  return `Erased ${username}. Deleted by now:\n${context.out.facts(countRows(receipt))}${rest}`;
};

/** `admin user erase`: shows what would be lost, asks, and erases a user for good. */
export const eraseUser = (
  context: CliContext,
  username: string,
  { preview: onlyPreview, yes }: EraseOptions,
): Promise<void> =>
  asOperator('admin user erase', async (app, caller) => {
    if (!onlyPreview && !yes && !context.input.canPrompt) throw usage(cannotPrompt);
    const id = await idOf(app, caller, username);
    const preview = await app.lifecycle.previewErasure(caller, id);
    if (onlyPreview) return await context.out.result(preview, () => previewText(context, preview));
    if (!yes) {
      context.out.warn(previewText(context, preview).trimEnd());
      if (!(await context.input.confirm(`Erase ${preview.username} for good?`)))
        throw new CliFailure(exitCodes.interrupted, 'Nothing was erased.');
    }
    const receipt = await app.lifecycle.erase(caller, id);
    context.noteChange();
    await context.out.result(receipt, () => receiptText(context, preview.username, receipt));
  });

import { type Client, dataOf, type Notice, pages, Refusal } from '../../client/index.ts';
import type { CliContext } from '../context.ts';
import { printable } from '../printable.ts';
import { sentenceOf } from './sentence.ts';

export interface NoticesOptions {
  /** True for what was read before, too. */
  readonly all: boolean;
}

/** A line about an event: when it happened, and the sentence. */
export const lineOf = (event: Parameters<typeof sentenceOf>[0], me: string): string =>
  `${event.at.slice(0, 16).replace('T', ' ')}  ${printable(sentenceOf(event, me))}`;

const meOf = async (client: Client): Promise<string> => (await dataOf(client.GET('/api/v1/auth/me'))).user.id;

const load = async (client: Client, unread: boolean): Promise<readonly Notice[]> => {
  const notices: Notice[] = [];
  const query = unread ? { unread } : {};
  const all = pages((cursor) => dataOf(client.GET('/api/v1/notices', { params: { query: { ...query, ...cursor } } })));
  for await (const page of all) notices.push(...page.notices);
  return notices;
};

/** Marks what was shown as read. The newest comes first. */
const markRead = async (client: Client, [newest]: readonly Notice[]): Promise<void> => {
  if (newest) await client.POST('/api/v1/notices/read', { body: { up_to: newest.id } });
};

/** `notices` */
export const showNotices = async (context: CliContext, { all }: NoticesOptions): Promise<void> => {
  const client = await context.client();
  const notices = await load(client, !all);
  const me = await meOf(client);
  await context.out.result({ notices }, () => notices.map((one) => `${lineOf(one, me)}\n`).join(''));
  if (notices.length === 0) context.out.note(all ? 'No notices in the last 30 days.' : 'No unread notices.');
  await markRead(
    client,
    notices.filter(({ unread }) => unread),
  );
};

const maxAfterLogin = 20;

/**
 * Shows what was not read yet, after a login, once. A token that may not read notices, or a service that has none, is no
 * reason for a login to fail.
 */
export const showUnreadNotices = async (context: CliContext, client: Client): Promise<void> => {
  try {
    const query = { unread: true, limit: maxAfterLogin };
    const { notices, next_cursor } = await dataOf(client.GET('/api/v1/notices', { params: { query } }));
    const oldest = notices.at(-1);
    if (!oldest) return;
    const me = await meOf(client);
    const many = next_cursor === null ? String(notices.length) : `More than ${notices.length}`;
    const what = notices.length === 1 && next_cursor === null ? 'notice' : 'notices';
    context.out.note(`${many} ${what} since ${oldest.at.slice(0, 16).replace('T', ' ')}:`);
    for (const one of notices) context.out.note(lineOf(one, me));
    if (next_cursor === null) await markRead(client, notices);
    else context.out.note('"keyhold notices" shows all of them.');
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
  }
};

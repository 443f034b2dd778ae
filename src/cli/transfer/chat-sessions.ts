import { type Client, dataOf, isSession, pages } from '../../client/index.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure } from '../failure.ts';
import { printable } from '../printable.ts';
import { lastStep } from '../steps.ts';
import { externalIdOf } from './chats.ts';
import type { Item } from './item.ts';

/** The session of each chat in the file, by the chat's id; null where it has none yet. */
export type ChatSessions = ReadonlyMap<string, string | null>;

const ended = (chatId: string): CliFailure =>
  new CliFailure(
    exitCodes.conflict,
    `Your session for the chat ${printable(chatId)} has ended, and secrets cannot be added to it. Nothing was imported.`,
  );

const ownSessions = async (client: Client) => {
  const me = (await dataOf(client.GET('/api/v1/auth/me'))).user.id;
  const own = new Map<string, { id: string; status: string }>();
  for await (const page of pages((cursor) =>
    dataOf(client.GET('/api/v1/sessions', { params: { query: { limit: 200, ...cursor } } })),
  )) {
    for (const { owner_id, external_id, id, status } of page.sessions.filter(isSession)) {
      if (owner_id === me && external_id !== null) own.set(external_id, { id, status });
    }
  }
  return own;
};

/** Finds the caller's own sessions for the chats of these items. Throws conflict for one that has ended. */
export const findChatSessions = async (client: Client, items: readonly Item[]): Promise<ChatSessions> => {
  const chats = [...new Set(items.flatMap((item) => (item.chatId === null ? [] : [item.chatId])))];
  if (chats.length === 0) return new Map();
  const own = await ownSessions(client);
  return new Map(
    chats.map((chatId) => {
      const session = own.get(externalIdOf(chatId));
      if (session && session.status !== 'active') throw ended(chatId);
      return [chatId, session?.id ?? null];
    }),
  );
};

/** What an import had done when it failed after starting sessions; null for nothing. */
export const startedSessions = (started: number): string | null =>
  started === 0
    ? null
    : `${started} session${started === 1 ? ' was' : 's were'} started for the chats of this file. The next import will use them.`;

/** Starts the missing sessions and resolves to all of them, by chat. */
export const startChatSessions = async (
  context: CliContext,
  client: Client,
  found: ChatSessions,
): Promise<ReadonlyMap<string, string>> => {
  const sessions = new Map<string, string>();
  let started = 0;
  for (const [chatId, id] of found) {
    if (id !== null) {
      sessions.set(chatId, id);
      continue;
    }
    const body = { external_id: externalIdOf(chatId), metadata: { imported_chat_id: chatId } };
    const session = await lastStep(context, startedSessions(started), () =>
      dataOf(client.POST('/api/v1/sessions', { body })),
    );
    sessions.set(chatId, session.id);
    started += 1;
  }
  return sessions;
};

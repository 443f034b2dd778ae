import type { Client } from '../../client/index.ts';
import type { OnConflict } from '../../core/secret-types.ts';
import type { CliContext } from '../context.ts';
import { usage } from '../failure.ts';
import { lastStep } from '../steps.ts';
import { type ChatSessions, findChatSessions, startChatSessions, startedSessions } from './chat-sessions.ts';
import type { Item } from './item.ts';
import { startProgress } from './progress.ts';
import { type ReadOptions, readSecretsFile } from './read-file.ts';
import { chunksOf, type Place, type RequestItem, refuseTooLarge, requestItem } from './request.ts';
import { type Outcome, sendItems } from './send.ts';
import { printSummary } from './summary.ts';

export interface ImportOptions extends ReadOptions {
  readonly onConflict: OnConflict;
  readonly dryRun: boolean;
  readonly chunked: boolean;
  readonly tags: readonly string[];
}

interface Planned {
  readonly items: readonly Item[];
  readonly requests: readonly RequestItem[];
}

const ownerAlone: Place = { scope: 'user' };
const inSession = (session: string): Place => ({ scope: 'session', session_id: session });

const plan = (items: readonly Item[], placeOf: (item: Item) => Place): Planned => ({
  items,
  requests: items.map((item) => requestItem(item, placeOf(item))),
});

const sendAll = async (
  context: CliContext,
  client: Client,
  { items, requests }: Planned,
  options: ImportOptions,
): Promise<Outcome[]> => {
  if (requests.length === 0) return [];
  if (!options.chunked) refuseTooLarge(requests);
  const chunks = options.chunked ? chunksOf(requests) : [[...requests]];
  const progress = startProgress(context, options.dryRun ? 'Checking' : 'Importing', requests.length);
  const outcomes: Outcome[] = [];
  try {
    for (const chunk of chunks) {
      const of = items.slice(outcomes.length, outcomes.length + chunk.length);
      outcomes.push(...(await sendItems(context, client, chunk, of, options)));
      progress.at(outcomes.length);
    }
  } catch (error) {
    progress.end();
    if (outcomes.length > 0 && !options.dryRun) {
      context.out.warn(
        `${outcomes.length} of ${requests.length} secrets were imported. Pass --on-conflict skip to import the rest.`,
      );
    }
    throw error;
  }
  progress.end();
  return outcomes;
};

/** Items of sessions that do not exist yet: their names cannot conflict, so only their form needs a check. */
const isForNewSession = (sessions: ChatSessions) => (item: Item) =>
  item.chatId !== null && sessions.get(item.chatId) === null;

/** Checks everything without writing, so that no session is started for a file that is then refused. */
const check = async (
  context: CliContext,
  client: Client,
  items: readonly Item[],
  sessions: ChatSessions,
  placeOf: (item: Item) => Place,
  options: ImportOptions,
): Promise<Outcome[]> => {
  const forNew = isForNewSession(sessions);
  const dry = { ...options, dryRun: true };
  const placed = items.filter((item) => !forNew(item));
  const outcomes = await sendAll(context, client, plan(placed, placeOf), dry);
  const unplaced = plan(items.filter(forNew), () => ownerAlone);
  const formChecked = await sendAll(context, client, unplaced, { ...dry, onConflict: 'rename' });
  return [
    ...outcomes,
    ...formChecked.map((one, index) => ({ ...one, name: unplaced.items[index]?.name ?? one.name, outcome: 'created' })),
  ];
};

const placeIn =
  (session: string | null, sessions: ReadonlyMap<string, string | null>) =>
  (item: Item): Place => {
    const chat = item.chatId === null ? null : (sessions.get(item.chatId) ?? null);
    if (chat !== null) return inSession(chat);
    return session === null ? ownerAlone : inSession(session);
  };

const read = async (path: string, session: string | null, options: ImportOptions) => {
  const contents = await readSecretsFile(path, options);
  const chats = contents.items.some((item) => item.chatId !== null);
  if (chats && session !== null) {
    throw usage('The file holds secrets of chats, and each chat has its own session. Leave out --session.');
  }
  const items = contents.items.map((item) => ({ ...item, tags: [...new Set([...item.tags, ...options.tags])] }));
  return { items, skipped: contents.skipped };
};

/** `keyhold import`: reads and checks the whole file, then imports all of it or nothing. */
export const importFile = async (context: CliContext, path: string, options: ImportOptions): Promise<void> => {
  // Only where this command line says so: a variable of the environment must not expose secrets to a session.
  const session = context.options().session === undefined ? null : context.session;
  const { items, skipped } = await read(path, session, options);
  const client = await context.client({ timeoutMs: 120_000 });
  const found = await findChatSessions(client, items);
  const missing = [...found.values()].filter((id) => id === null).length;
  let outcomes: Outcome[] = [];
  if (options.dryRun || missing > 0) {
    outcomes = await check(context, client, items, found, placeIn(session, found), options);
  }
  if (!options.dryRun) {
    const sessions = await startChatSessions(context, client, found);
    outcomes = await lastStep(context, startedSessions(missing), () =>
      sendAll(context, client, plan(items, placeIn(session, sessions)), options),
    );
  }
  await printSummary(context, { path, outcomes, skipped, sessions: missing, dryRun: options.dryRun });
};

import { type Client, dataOf, isSession, pages, type Session, type SessionInvitation } from '../../client/index.ts';
import { type CliContext, sessionName } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, usage } from '../failure.ts';
import { cannotPrompt } from '../input.ts';
import { printable } from '../printable.ts';
import { readInstant } from '../secrets/instants.ts';
import { createUsernames, userIdOf, userReference } from '../secrets/people.ts';
import { lastStep } from '../steps.ts';
import { invitationsOf, listInvitations, showInvitations } from './invitations.ts';

const labelOf = ({ external_id, id }: Session): string => external_id ?? id;

/** A client without a session: one that has ended would refuse every request, even one that shows it. */
const clientFor = (context: CliContext): Promise<Client> => context.client({ session: null });

const foundBy = (client: Client, name: string): Promise<Session | SessionInvitation> =>
  dataOf(client.GET('/api/v1/sessions/{id}', { params: { path: { id: sessionName(name) } } }));

/** Throws refused for a session that the user was invited to and has not joined. */
const sessionNamed = async (client: Client, name: string): Promise<Session> => {
  const found = await foundBy(client, name);
  if (isSession(found)) return found;
  throw new CliFailure(
    exitCodes.refused,
    `You are invited to this session and have not joined it. To join it: keyhold session join ${found.id}`,
  );
};

/** Those who have left are not named. */
const participantsOf = ({ participants }: Session): string =>
  participants
    .filter(({ state }) => state !== 'left')
    .map(({ username, user_id, state }) => `${username ?? user_id}${state === 'invited' ? ' (invited)' : ''}`)
    .join(', ');

export interface StartOptions {
  readonly title?: string;
  readonly with?: readonly string[];
  readonly expires?: string;
}

/** `session start`. Participants are looked up first, so that an unknown one starts nothing. */
export const start = async (context: CliContext, name: string | undefined, options: StartOptions): Promise<void> => {
  const external = name === undefined ? {} : { external_id: sessionName(name) };
  const expires = options.expires === undefined ? {} : { expires_at: readInstant('--expires', options.expires) };
  const client = await clientFor(context);
  const participants = await Promise.all((options.with ?? []).map((user) => userIdOf(client, user)));
  const title = options.title === undefined ? {} : { title: options.title };
  const session = await dataOf(
    client.POST('/api/v1/sessions', { body: { ...external, ...title, ...expires, participants } }),
  );
  context.out.note(`Started session ${labelOf(session)} with ${printable(participantsOf(session))}.`);
  await context.out.result(session, () => `${session.id}\n`);
};

export interface ListOptions {
  readonly all?: boolean;
  readonly state?: 'invited' | 'active' | 'ended';
}

/** `session list`. Invitations come first, on stderr, since they are no sessions of the user's yet. */
export const list = async (context: CliContext, { all = false, state }: ListOptions): Promise<void> => {
  if (state === 'invited') return await listInvitations(context);
  const client = await clientFor(context);
  if (state === undefined) showInvitations(context, await invitationsOf(client));
  const found: Session[] = [];
  const wanted = state ?? (all ? undefined : 'active');
  const query = { limit: 200, ...(wanted === undefined ? {} : { state: wanted }) };
  for await (const page of pages((cursor) =>
    dataOf(client.GET('/api/v1/sessions', { params: { query: { ...query, ...cursor } } })),
  )) {
    found.push(...page.sessions.filter(isSession));
  }
  await context.out.result(found, () => {
    if (found.length === 0) context.out.note('No sessions found.');
    if (found.length === 0) return null;
    return context.out.table(
      ['NAME', 'STATUS', 'TITLE', 'PARTICIPANTS', 'ID'],
      found.map((session) => [
        session.external_id ?? '',
        session.status,
        session.title ?? '',
        participantsOf(session),
        session.id,
      ]),
    );
  });
};

const cleanupOf = (client: Client, id: string) =>
  dataOf(client.GET('/api/v1/sessions/{id}/cleanup', { params: { path: { id } } }));

const factsOf = (session: Session): [string, string][] => {
  const rows: [string, string][] = [
    ['id', session.id],
    ['name', session.external_id ?? ''],
    ['title', session.title ?? ''],
    ['status', session.status],
    ['ended', session.ended_at ?? ''],
    ['ends', session.ended_at === null ? (session.expires_at ?? '') : ''],
    ['ends when idle for', session.idle_after === null ? '' : `${Math.round(session.idle_after / 3600)} hours`],
    ['secrets erased', session.cleaned_up_at ?? ''],
    ['secrets erased from', session.cleaned_up_at === null ? (session.erase_after ?? '') : ''],
  ];
  return rows.filter(([, value]) => value !== '');
};

/** `session show` */
export const show = async (context: CliContext, name: string): Promise<void> => {
  const client = await clientFor(context);
  const session = await sessionNamed(client, name);
  const { secrets } = await cleanupOf(client, session.id);
  const usernames = createUsernames(client);
  await context.out.result({ ...session, secrets }, async () => {
    const { table, facts } = context.out;
    const participants = session.participants.map(({ username, user_id, role, state, joined_at }) => [
      username ?? user_id,
      role,
      state,
      joined_at ?? '',
    ]);
    const rows = secrets.map(async (secret) => [secret.name, await usernames(secret.owner_id), secret.id]);
    const parts = [facts(factsOf(session)), table(['PARTICIPANT', 'ROLE', 'STATE', 'SINCE'], participants)];
    if (rows.length > 0) parts.push(table(['SECRET', 'OWNER', 'ID'], await Promise.all(rows)));
    return parts.join('\n');
  });
};

/** `session add`. All users are looked up before any is invited. */
export const add = async (context: CliContext, name: string, users: readonly string[]): Promise<void> => {
  const client = await clientFor(context);
  const { id } = await sessionNamed(client, name);
  const ids = await Promise.all(users.map((user) => userIdOf(client, user)));
  let session: Session | null = null;
  for (const [at, user] of ids.entries()) {
    const left = at === 0 ? null : `Invited so far: ${users.slice(0, at).map(printable).join(', ')}.`;
    session = await lastStep(context, left, () =>
      dataOf(
        client.POST('/api/v1/sessions/{id}/participants', { params: { path: { id } }, body: userReference(user) }),
      ),
    );
  }
  if (session === null) return;
  context.out.note(`Participants of session ${labelOf(session)}: ${printable(participantsOf(session))}.`);
  for (const { user_id, username, state } of session.participants) {
    if (state !== 'left' || !ids.includes(user_id)) continue;
    context.out.note(
      `${printable(username ?? user_id)} had left or declined, and can join with "keyhold session join ${id}".`,
    );
  }
  await context.out.result(session, () => null);
};

const removeUser = async (client: Client, sessionId: string, userId: string, query = {}) => {
  const path = { id: sessionId, user_id: userId };
  await client.DELETE('/api/v1/sessions/{id}/participants/{user_id}', { params: { path, query } });
  return { session_id: sessionId, user_id: userId };
};

/** `session remove` */
export const remove = async (context: CliContext, name: string, user: string): Promise<void> => {
  const client = await clientFor(context);
  const session = await sessionNamed(client, name);
  const removed = await removeUser(client, session.id, await userIdOf(client, user));
  context.out.note(`${printable(user)} is no longer in session ${labelOf(session)}.`);
  await context.out.result(removed, () => null);
};

/** What became of a session that its owner left. */
const handedOver = (session: Session, newOwner: string | undefined): string => {
  if (newOwner !== undefined) return `It belongs to ${printable(newOwner)} now.`;
  return session.participants.some(({ state, role }) => state === 'present' && role !== 'owner')
    ? 'It belongs to the participant who has been in it longest now.'
    : 'Nobody else was in it, so that it has ended.';
};

/** `session leave`. It also declines an invitation. */
export const leave = async (
  context: CliContext,
  name: string,
  { newOwner }: { readonly newOwner?: string },
): Promise<void> => {
  const client = await clientFor(context);
  const session = await foundBy(client, name);
  const { user } = await dataOf(client.GET('/api/v1/auth/me'));
  const query = newOwner === undefined ? {} : { new_owner: await userIdOf(client, newOwner) };
  const left = await removeUser(client, session.id, user.id, query);
  if (isSession(session)) {
    context.out.note(`You left session ${labelOf(session)}. The others can no longer access your secrets in it.`);
    const owned = session.owner_id === user.id && session.status === 'active';
    if (owned) context.out.note(handedOver(session, newOwner));
  } else context.out.note('You declined the invitation.');
  await context.out.result(left, () => null);
};

type Cleanup = Awaited<ReturnType<typeof cleanupOf>>;

/** Shows on stderr what ending the session does, above the confirmation. */
const showCleanup = async (context: CliContext, client: Client, { secrets, grace_seconds }: Cleanup): Promise<void> => {
  const usernames = createUsernames(client);
  if (secrets.length === 0) return context.out.note('It holds no secret that you have access to.');
  const hours = Math.round(grace_seconds / 3600);
  context.out.note(
    `Ending the session cuts off these secrets for everyone but their owners, and erases after ${hours} hours what they have not moved out with "keyhold transfer NAME --to-user":`,
  );
  for (const secret of secrets) {
    context.out.note(
      `  ${secret.name}  ${secret.mine ? 'yours' : `of ${printable(await usernames(secret.owner_id))}`}`,
    );
  }
};

/** `session end` */
export const end = async (context: CliContext, name: string, { yes = false }: { yes?: boolean }): Promise<void> => {
  if (!yes && !context.input.canPrompt) throw usage(cannotPrompt);
  const client = await clientFor(context);
  const session = await sessionNamed(client, name);
  await showCleanup(context, client, await cleanupOf(client, session.id));
  const question = `End session ${labelOf(session)}?`;
  if (!yes && !(await context.input.confirm(question))) {
    throw new CliFailure(exitCodes.interrupted, 'The session was not ended.');
  }
  const ended = await dataOf(client.POST('/api/v1/sessions/{id}/end', { params: { path: { id: session.id } } }));
  context.out.note(`Session ${labelOf(ended)} has ended.`);
  await context.out.result(ended, () => null);
};

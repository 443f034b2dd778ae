import { type Client, dataOf, pages, type Session } from '../../client/index.ts';
import { type CliContext, sessionName } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, usage } from '../failure.ts';
import { cannotPrompt } from '../input.ts';
import { printable } from '../printable.ts';
import { readInstant } from '../secrets/instants.ts';
import { createUsernames, userIdOf, userReference } from '../secrets/people.ts';
import { lastStep } from '../steps.ts';

const labelOf = ({ external_id, id }: Session): string => external_id ?? id;

/** A client without a session: one that has ended would refuse every request, even one that shows it. */
const clientFor = (context: CliContext): Promise<Client> => context.client({ session: null });

const sessionNamed = (client: Client, name: string): Promise<Session> =>
  dataOf(client.GET('/api/v1/sessions/{id}', { params: { path: { id: sessionName(name) } } }));

const participantsOf = ({ participants }: Session): string =>
  participants.map(({ username, user_id }) => username ?? user_id).join(', ');

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

/** `session list` */
export const list = async (context: CliContext, { all = false }: { all?: boolean }): Promise<void> => {
  const client = await clientFor(context);
  const found: Session[] = [];
  for await (const page of pages((cursor) =>
    dataOf(client.GET('/api/v1/sessions', { params: { query: { limit: 200, ...cursor } } })),
  )) {
    found.push(...page.sessions.filter((session) => all || session.status === 'active'));
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
    const participants = session.participants.map(({ username, user_id, role, joined_at }) => [
      username ?? user_id,
      role,
      joined_at,
    ]);
    const rows = secrets.map(async (secret) => [secret.name, await usernames(secret.owner_id), secret.id]);
    const parts = [facts(factsOf(session)), table(['PARTICIPANT', 'ROLE', 'SINCE'], participants)];
    if (rows.length > 0) parts.push(table(['SECRET', 'OWNER', 'ID'], await Promise.all(rows)));
    return parts.join('\n');
  });
};

/** `session add`. All users are looked up before any is added. */
export const add = async (context: CliContext, name: string, users: readonly string[]): Promise<void> => {
  const client = await clientFor(context);
  const { id } = await sessionNamed(client, name);
  const ids = await Promise.all(users.map((user) => userIdOf(client, user)));
  let session: Session | null = null;
  for (const [at, user] of ids.entries()) {
    const left = at === 0 ? null : `Added so far: ${users.slice(0, at).map(printable).join(', ')}.`;
    session = await lastStep(context, left, () =>
      dataOf(
        client.POST('/api/v1/sessions/{id}/participants', { params: { path: { id } }, body: userReference(user) }),
      ),
    );
  }
  if (session === null) return;
  context.out.note(`Participants of session ${labelOf(session)}: ${printable(participantsOf(session))}.`);
  await context.out.result(session, () => null);
};

const removeUser = async (client: Client, session: Session, userId: string) => {
  const path = { id: session.id, user_id: userId };
  await client.DELETE('/api/v1/sessions/{id}/participants/{user_id}', { params: { path } });
  return { session_id: session.id, user_id: userId };
};

/** `session remove` */
export const remove = async (context: CliContext, name: string, user: string): Promise<void> => {
  const client = await clientFor(context);
  const session = await sessionNamed(client, name);
  const removed = await removeUser(client, session, await userIdOf(client, user));
  context.out.note(`${printable(user)} is no longer in session ${labelOf(session)}.`);
  await context.out.result(removed, () => null);
};

/** `session leave` */
export const leave = async (context: CliContext, name: string): Promise<void> => {
  const client = await clientFor(context);
  const session = await sessionNamed(client, name);
  const { user } = await dataOf(client.GET('/api/v1/auth/me'));
  const left = await removeUser(client, session, user.id);
  context.out.note(`You left session ${labelOf(session)}. The others can no longer access your secrets in it.`);
  await context.out.result(left, () => null);
};

type Cleanup = Awaited<ReturnType<typeof cleanupOf>>;

/** Shows on stderr what ending the session does, above the confirmation. */
const showCleanup = async (context: CliContext, client: Client, { secrets }: Cleanup): Promise<void> => {
  const usernames = createUsernames(client);
  if (secrets.length === 0) return context.out.note('It holds no secret that you have access to.');
  context.out.note('Ending the session immediately cuts off these secrets for everyone but their owners:');
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

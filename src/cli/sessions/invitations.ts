import { type Client, dataOf, isSession, pages, Refusal, type SessionInvitation } from '../../client/index.ts';
import { type CliContext, sessionName } from '../context.ts';
import { printable } from '../printable.ts';

/** Every invitation of the user that waits for an answer, newest session first. */
export const invitationsOf = async (client: Client): Promise<SessionInvitation[]> => {
  const found: SessionInvitation[] = [];
  for await (const page of pages((cursor) =>
    dataOf(client.GET('/api/v1/sessions', { params: { query: { state: 'invited', limit: 200, ...cursor } } })),
  )) {
    found.push(...page.sessions.flatMap((one) => (isSession(one) ? [] : [one])));
  }
  return found;
};

const lineOf = ({ id, title, invited_by }: SessionInvitation): string =>
  `  ${title === null ? '' : `${printable(title)} `}from ${printable(invited_by.username ?? invited_by.id)}: keyhold session join ${id}`;

/** Shows invitations on stderr, each with the command that joins. */
export const showInvitations = (context: CliContext, invitations: readonly SessionInvitation[]): void => {
  if (invitations.length === 0) return;
  context.out.note(invitations.length === 1 ? '1 invitation:' : `${invitations.length} invitations:`);
  for (const invitation of invitations) context.out.note(lineOf(invitation));
};

/** As `showInvitations`, after a login: a credential that may not read sessions, or a server that cannot tell, shows none. */
export const showInvitationsOf = async (context: CliContext, client: Client): Promise<void> => {
  try {
    showInvitations(context, await invitationsOf(client));
  } catch (error) {
    if (!(error instanceof Refusal)) throw error;
  }
};

/** `session list --state invited` */
export const listInvitations = async (context: CliContext): Promise<void> => {
  const invitations = await invitationsOf(await context.client({ session: null }));
  await context.out.result(invitations, () => {
    if (invitations.length === 0) context.out.note('No invitations found.');
    if (invitations.length === 0) return null;
    return context.out.table(
      ['TITLE', 'INVITED BY', 'SINCE', 'ID'],
      invitations.map(({ id, title, invited_by, invited_at }) => [
        title ?? '',
        invited_by.username ?? invited_by.id,
        invited_at,
        id,
      ]),
    );
  });
};

/** `session join`. The request names no session, since one that the user is not in yet would be refused. */
export const join = async (context: CliContext, name: string): Promise<void> => {
  const client = await context.client({ session: null });
  const path = { id: sessionName(name) };
  const session = await dataOf(client.POST('/api/v1/sessions/{id}/join', { params: { path } }));
  context.out.note(`You are in session ${session.external_id ?? session.id} now.`);
  await context.out.result(session, () => null);
};

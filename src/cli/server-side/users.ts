import { isUtf8 } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import type { OperatorApp } from '../../app.ts';
import type { Caller, Role } from '../../core/caller.ts';
import { toId, type UserId } from '../../core/ids.ts';
import type { AssignableStatus } from '../../core/user-status.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, usage } from '../failure.ts';
import { asOperator } from './open.ts';

/** A role that grants something; stored users can have another. */
export type AssignableRole = Exclude<Role, 'auditor'>;

export interface PasswordOptions {
  /** Generate the password and show it once. */
  readonly generate: boolean;
  /** Read the password from stdin. */
  readonly stdin: boolean;
}

interface Password {
  readonly text: string;
  readonly generated: boolean;
}

const maxPasswordBytes = 4096;

const fromStdin = async (context: CliContext): Promise<string> => {
  const bytes = await context.input.all(maxPasswordBytes);
  if (!isUtf8(bytes)) throw usage('The password is not UTF-8 text.');
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(/\r?\n$/, '');
};

const prompted = async (context: CliContext): Promise<string> => {
  if (!context.input.canPrompt) {
    throw usage('Cannot prompt: this is not a terminal. Pass --generate or --password-stdin.');
  }
  const first = await context.input.hidden('New password: ');
  if ((await context.input.hidden('New password again: ')) !== first)
    throw usage('The two passwords differ. Nothing was changed.');
  return first;
};

const passwordOf = async (context: CliContext, { generate, stdin }: PasswordOptions): Promise<Password> => {
  if (generate && stdin) throw usage('Pass either --generate or --password-stdin, not both.');
  if (generate) return { text: randomBytes(18).toString('base64url'), generated: true };
  return { text: stdin ? await fromStdin(context) : await prompted(context), generated: false };
};

const noUser = (username: string): CliFailure =>
  new CliFailure(exitCodes.notFound, `There is no user ${username}. "keyhold admin user list" lists the users.`);

interface Listed {
  readonly id: string;
  readonly username: string;
  readonly display_name: string | null;
  readonly role: string;
  readonly status: string;
}

async function* allUsers({ users }: OperatorApp, caller: Caller): AsyncGenerator<Listed> {
  let cursor: string | null = null;
  do {
    const page: Awaited<ReturnType<OperatorApp['users']['list']>> = await users.list(caller, null, {
      limit: 200,
      cursor,
    });
    for (const user of page.items) if ('role' in user) yield user;
    cursor = page.next_cursor === null ? null : Buffer.from(page.next_cursor, 'base64url').toString();
  } while (cursor !== null);
}

/** The id of the user with this username or id. Throws `notFound`. */
export const idOf = async (app: OperatorApp, caller: Caller, username: string): Promise<UserId> => {
  for await (const user of allUsers(app, caller)) {
    if (user.username === username || user.id === username) return toId<UserId>(user.id);
  }
  throw noUser(username);
};

const passwordLine = ({ text, generated }: Password): string =>
  generated ? `Password (shown only this once): ${text}\n` : '';

export const addUser = async (
  context: CliContext,
  username: string,
  { role, ...options }: PasswordOptions & { readonly role: AssignableRole },
): Promise<void> => {
  const password = await passwordOf(context, options);
  const user = await asOperator('admin user add', ({ users }, caller) =>
    users.create(caller, { username, password: password.text, role }, null),
  );
  context.noteChange();
  const result = {
    id: user.id,
    username: user.username,
    role,
    ...(password.generated ? { password: password.text } : {}),
  };
  await context.out.result(
    result,
    () => `Created ${user.username} (${user.id}), role ${role}.\n${passwordLine(password)}`,
  );
};

export const listUsers = async (context: CliContext): Promise<void> => {
  const users = await asOperator('admin user list', async (app, caller) => {
    const all: Listed[] = [];
    for await (const { id, username, display_name, role, status } of allUsers(app, caller)) {
      all.push({ id, username, display_name, role, status });
    }
    return all;
  });
  const rows = users.map((user) => [user.username, user.role, user.status, user.id]);
  await context.out.result({ users }, () => context.out.table(['USERNAME', 'ROLE', 'STATUS', 'ID'], rows));
};

export const setStatus = async (context: CliContext, username: string, status: AssignableStatus): Promise<void> => {
  const user = await asOperator(`admin user ${status === 'active' ? 'enable' : 'disable'}`, async (app, caller) =>
    app.users.update(caller, await idOf(app, caller, username), { status }),
  );
  context.noteChange();
  const what =
    status === 'active'
      ? 'is enabled'
      : 'is disabled. Their logins, tokens and secrets are closed until they are enabled again';
  await context.out.result(
    { id: user.id, username: user.username, status: user.status },
    () => `${user.username} ${what}.\n`,
  );
};

export const resetPassword = async (context: CliContext, username: string, options: PasswordOptions): Promise<void> => {
  const password = await passwordOf(context, options);
  const user = await asOperator('admin user reset-password', async (app, caller) =>
    app.users.setPassword(caller, await idOf(app, caller, username), undefined, password.text),
  );
  context.noteChange();
  const from = user.secrets_from?.toISOString() ?? null;
  const wait =
    from === null
      ? ''
      : `\nIt opens secrets from ${from} on. Until then, ${user.username} can cancel the reset with an earlier login.`;
  const result = { id: user.id, secrets_from: from, ...(password.generated ? { password: password.text } : {}) };
  await context.out.result(
    result,
    () => `The password of ${user.username} was reset.${wait}\n${passwordLine(password)}`,
  );
};

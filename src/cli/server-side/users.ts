import { isUtf8 } from 'node:buffer';
import { randomBytes } from 'node:crypto';
import type { OperatorApp } from '../../app.ts';
import type { Caller, Role } from '../../core/caller.ts';
import { toId, type UserId } from '../../core/ids.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, usage } from '../failure.ts';
import { asOperator } from './open.ts';

export interface PasswordOptions {
  /** Make one up, and show it once. */
  readonly generate: boolean;
  /** Read it from stdin. */
  readonly stdin: boolean;
}

interface Password {
  readonly text: string;
  readonly generated: boolean;
}

const longest = 4096;

const fromStdin = async (context: CliContext): Promise<string> => {
  const bytes = await context.input.all(longest);
  if (!isUtf8(bytes)) throw usage('The password is not UTF-8 text.');
  return new TextDecoder('utf-8', { fatal: true }).decode(bytes).replace(/\r?\n$/, '');
};

const asked = async (context: CliContext): Promise<string> => {
  if (!context.input.canAsk) throw usage('Say --generate or --password-stdin; there is no terminal to ask on.');
  const first = await context.input.hidden('New password: ');
  if ((await context.input.hidden('Once more: ')) !== first)
    throw usage('The two are not the same. Nothing was changed.');
  return first;
};

const passwordOf = async (context: CliContext, { generate, stdin }: PasswordOptions): Promise<Password> => {
  if (generate && stdin) throw usage('Give either --generate or --password-stdin.');
  if (generate) return { text: randomBytes(18).toString('base64url'), generated: true };
  return { text: stdin ? await fromStdin(context) : await asked(context), generated: false };
};

const noUser = (username: string): CliFailure =>
  new CliFailure(exitCodes.notFound, `There is no user ${username}. "keyhold admin user list" shows them.`);

interface Listed {
  readonly id: string;
  readonly username: string;
  readonly display_name: string | null;
  readonly role: string;
  readonly status: string;
}

async function* everybody({ users }: OperatorApp, caller: Caller): AsyncGenerator<Listed> {
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

const idOf = async (app: OperatorApp, caller: Caller, username: string): Promise<UserId> => {
  for await (const user of everybody(app, caller)) {
    if (user.username === username || user.id === username) return toId<UserId>(user.id);
  }
  throw noUser(username);
};

const tellPassword = ({ text, generated }: Password): string =>
  generated ? `Password (shown this once): ${text}\n` : '';

export const addUser = async (
  context: CliContext,
  username: string,
  { role, ...options }: PasswordOptions & { readonly role: Role },
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
  await context.out.result(result, () => `${user.username} is a ${role} now (${user.id}).\n${tellPassword(password)}`);
};

export const listUsers = async (context: CliContext): Promise<void> => {
  const users = await asOperator('admin user list', async (app, caller) => {
    const all: Listed[] = [];
    for await (const { id, username, display_name, role, status } of everybody(app, caller)) {
      all.push({ id, username, display_name, role, status });
    }
    return all;
  });
  const rows = users.map((user) => [user.username, user.role, user.status, user.id]);
  await context.out.result({ users }, () => context.out.table(['USERNAME', 'ROLE', 'STATUS', 'ID'], rows));
};

export const setStatus = async (
  context: CliContext,
  username: string,
  status: 'active' | 'disabled',
): Promise<void> => {
  const user = await asOperator(`admin user ${status === 'active' ? 'enable' : 'disable'}`, async (app, caller) =>
    app.users.update(caller, await idOf(app, caller, username), { status }),
  );
  context.noteChange();
  const what = status === 'active' ? 'is enabled' : 'is disabled: their logins, tokens and secrets rest';
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
      : `\nIt opens secrets from ${from} on. Until then ${user.username} can call it off by an earlier login.`;
  const result = { id: user.id, secrets_from: from, ...(password.generated ? { password: password.text } : {}) };
  await context.out.result(
    result,
    () => `The password of ${user.username} was reset.${wait}\n${tellPassword(password)}`,
  );
};

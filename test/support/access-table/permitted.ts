import type { Permission } from '../../../src/core/permissions.ts';
import { permissionsBesideSecrets } from './credentials.ts';
import { cell, grid } from './grid.ts';
import { type OperationName, operationOf, type Target } from './operations.ts';
import type { World } from './world.ts';

/**
 * The one permission that lets a token of the owner's (of the grantee's, to take oneself off) do it: with only that it
 * succeeds, with only any other it is refused. `–` is 403 permission_missing.
 */
const permitted = grid(`
operation               | list | reveal | use | write | share | manage | own | others
list                    | ok   | –      | –   | –     | –     | –      | –   | –
get                     | ok   | –      | –   | –     | –     | –      | –   | –
reveal                  | –    | ok     | –   | –     | –     | –      | –   | –
reveal by id            | –    | ok     | –   | –     | –     | –      | –   | –
reveal by name          | –    | ok     | –   | –     | –     | –      | –   | –
access                  | –    | –      | –   | –     | –     | ok     | –   | –
versions                | –    | –      | –   | –     | –     | ok     | –   | –
patch                   | –    | –      | –   | ok    | –     | –      | –   | –
set value               | –    | –      | –   | ok    | –     | –      | –   | –
restore                 | –    | –      | –   | –     | –     | ok     | –   | –
share                   | –    | –      | –   | –     | ok    | –      | –   | –
unshare                 | –    | –      | –   | –     | ok    | –      | –   | –
take oneself off        | –    | –      | –   | –     | ok    | –      | –   | –
activate                | –    | –      | –   | –     | –     | ok     | –   | –
deactivate              | –    | –      | –   | –     | –     | ok     | –   | –
recover                 | –    | –      | –   | –     | –     | ok     | –   | –
transfer to user        | –    | –      | –   | –     | –     | ok     | –   | –
transfer into a session | –    | –      | –   | –     | –     | ok     | –   | –
delete                  | –    | –      | –   | –     | –     | ok     | –   | –
purge                   | –    | –      | –   | –     | –     | ok     | –   | –
`);

export const permissionColumns = ['list', 'reveal', 'use', 'write', 'share', 'manage', 'own', 'others'] as const;

const permissionsOf = (column: string): readonly Permission[] =>
  column === 'others' ? permissionsBesideSecrets : [`secrets:${column}` as Permission];

export const expectedWith = (operation: OperationName, column: string): string => {
  const line = permitted.find((one) => one['operation'] === operation);
  if (!line) throw new Error(`the table does not say which permission ${operation} takes`);
  return cell(line, column) === 'ok' ? 'ok' : '403 permission_missing';
};

/** What the operation comes to with a token that holds only what the column says. */
export const outcomeWith = async (
  world: World,
  name: OperationName,
  column: string,
  target: Target,
): Promise<string> => {
  const operation = operationOf(name);
  const token = await world.token(operation.twin ?? 'owner', permissionsOf(column));
  const reply = await world.ask(operation.question(target, world.around), { token });
  return operation.outcome(reply, target, world.around);
};

import type { Permission } from '../../../src/core/permissions.ts';
import { permissionsNotOnSecrets } from './credentials.ts';
import { cell, grid } from './grid.ts';
import { type OperationName, operationOf, type Target } from './operations.ts';
import type { World } from './world.ts';

/**
 * The one permission that each operation needs. A token of the owner's (for `leave share`, the grantee's) succeeds with
 * only that permission and is refused with only any other one. `–` is 403 permission_missing.
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
leave share             | –    | –      | –   | –     | ok    | –      | –   | –
activate                | –    | –      | –   | –     | –     | ok     | –   | –
deactivate              | –    | –      | –   | –     | –     | ok     | –   | –
recover                 | –    | –      | –   | –     | –     | ok     | –   | –
transfer to user        | –    | –      | –   | –     | –     | ok     | –   | –
transfer into a session | –    | –      | –   | –     | –     | ok     | –   | –
offer                   | –    | –      | –   | –     | –     | ok     | –   | –
delete                  | –    | –      | –   | –     | –     | ok     | –   | –
purge                   | –    | –      | –   | –     | –     | ok     | –   | –
`);

export const permissionColumns = ['list', 'reveal', 'use', 'write', 'share', 'manage', 'own', 'others'] as const;

const permissionsOf = (column: string): readonly Permission[] =>
  column === 'others' ? permissionsNotOnSecrets : [`secrets:${column}` as Permission];

export const expectedWith = (operation: OperationName, column: string): string => {
  const line = permitted.find((one) => cell(one, 'operation') === operation);
  if (!line) throw new Error(`the table of permissions has no line for ${operation}`);
  return cell(line, column) === 'ok' ? 'ok' : '403 permission_missing';
};

/** The outcome with a token that has only the permissions of the column. */
export const outcomeWith = async (
  world: World,
  name: OperationName,
  column: string,
  target: Target,
): Promise<string> => {
  const operation = operationOf(name);
  const token = await world.token(operation.control ?? 'owner', permissionsOf(column));
  const reply = await world.send(operation.request(target, world.others), { token });
  return operation.outcome(reply, target, world.others);
};

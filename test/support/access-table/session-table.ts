import { cell, grid } from './grid.ts';

export const sessionCallers = [
  'owner',
  'participant',
  'ex-participant',
  'stranger',
  'admin',
  'bound to it',
  'bound elsewhere',
] as const;
export type SessionCaller = (typeof sessionCallers)[number];

/** Who may do what with a session; *bound* is the participant, by a token bound to a session and without secrets:own. */
const table = grid(`
operation          | state  | owner              | participant    | ex-participant         | stranger               | admin                  | bound to it            | bound elsewhere
get                | active | 200                | 200            | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 200                    | 403 session_not_joined
get                | ended  | 200                | 200            | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
cleanup            | active | 200                | 200            | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 200                    | 403 session_not_joined
cleanup            | ended  | 200                | 200            | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
patch              | active | 200                | 403 owner_only | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 owner_only         | 403 session_not_joined
patch              | ended  | 409 state_conflict | 403 owner_only | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
add participant    | active | 201                | 403 owner_only | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 owner_only         | 403 session_not_joined
add participant    | ended  | 409 state_conflict | 403 owner_only | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
remove participant | active | 204                | 403 owner_only | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 owner_only         | 403 session_not_joined
end                | active | 200                | 403 owner_only | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 owner_only         | 403 session_not_joined
end                | ended  | 200                | 403 owner_only | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
`);

export const sessionRows = table.map((line) => ({ operation: cell(line, 'operation'), state: cell(line, 'state') }));

export const expectedFor = (operation: string, state: string, caller: SessionCaller): string => {
  const line = table.find((one) => one['operation'] === operation && one['state'] === state);
  if (!line) throw new Error(`the table does not say what becomes of ${operation}, ${state}`);
  return cell(line, caller);
};

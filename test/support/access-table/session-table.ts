import { cell, grid, type Line } from './grid.ts';

export const sessionCallers = [
  'owner',
  'participant',
  'ex-participant',
  'stranger',
  'admin',
  'bound to it',
  'bound elsewhere',
  'invited',
  'removed',
] as const;
export type SessionCaller = (typeof sessionCallers)[number];

/**
 * The outcome of each operation on a session, for each caller. *ended* was ended by its owner, *expired* is past its
 * expires_at. *bound* is the participant by a token that is bound to a session and lacks secrets:own. The ex-participant left
 * by themselves, and the owner removed the removed one. The invited one sees the invitation.
 */
const table: readonly Line[] = grid(`
operation          | state   | owner              | participant            | ex-participant         | stranger               | admin                  | bound to it            | bound elsewhere        | invited                | removed
get                | active  | 200                | 200                    | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 200                    | 403 session_not_joined | 200                    | 403 session_not_joined
get                | ended   | 200                | 200                    | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
get                | expired | 200                | 200                    | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
cleanup            | active  | 200                | 200                    | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 200                    | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
cleanup            | ended   | 200                | 200                    | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
cleanup            | expired | 200                | 200                    | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
patch              | active  | 200                | 403 owner_only         | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 owner_only         | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
patch              | ended   | 409 state_conflict | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
patch              | expired | 409 state_conflict | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
add participant    | active  | 201                | 403 owner_only         | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 owner_only         | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
add participant    | ended   | 409 state_conflict | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
add participant    | expired | 409 state_conflict | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
remove participant | active  | 204                | 403 owner_only         | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 owner_only         | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
end                | active  | 200                | 403 owner_only         | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 owner_only         | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
end                | ended   | 200                | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
end                | expired | 200                | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
join               | active  | 200                | 200                    | 200                    | 403 session_not_joined | 403 session_not_joined | 200                    | 403 session_not_joined | 200                    | 403 session_not_joined
join               | ended   | 409 state_conflict | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
join               | expired | 409 state_conflict | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined | 403 session_not_joined
`);

export const sessionRows = table.map((line) => ({ operation: cell(line, 'operation'), state: cell(line, 'state') }));

const lineFor = (operation: string, state: string): Line => {
  const line = table.find((one) => cell(one, 'operation') === operation && cell(one, 'state') === state);
  if (!line) throw new Error(`the table of sessions has no line for ${operation}, ${state}`);
  return line;
};

export const expectedFor = (operation: string, state: string, caller: SessionCaller): string =>
  cell(lineFor(operation, state), caller);

/** The table's line, for the message of a test that fails. */
export const sessionLineOf = (operation: string, state: string): string => lineFor(operation, state).text;

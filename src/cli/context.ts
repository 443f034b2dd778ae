import type { Client } from '../client/index.ts';
import { sessionNamePattern } from '../core/names.ts';
import { type CliEnv, readCliEnv } from './env.ts';
import { usage } from './failure.ts';
import { createInput, type Input } from './input.ts';
import { createOutput, type Output } from './output.ts';
import { createProfiles, type Profiles, type Standing } from './profiles/index.ts';

/** The options that every command understands, before or after its name. */
export interface GlobalOptions {
  readonly profile?: string;
  readonly session?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export interface ClientWishes {
  /** How long one request may take; 30 s when it is left out. */
  readonly timeoutMs?: number;
  /** Another session than that of the command line; null names none. */
  readonly session?: string | null;
}

/** What every command is given: it reads the command line's options through it and says everything through `out`. */
export interface CliContext {
  readonly env: CliEnv;
  readonly out: Output;
  readonly input: Input;
  readonly profiles: Profiles;
  /** The session that --session or KEYHOLD_CLI_SESSION names, or null. */
  readonly session: string | null;
  /** True once something was changed for good. */
  readonly changed: boolean;
  /** To be called when a change was made without the client, which tells of its own. */
  noteChange(): void;
  options(): GlobalOptions;
  /** The chosen profile's server and credential. Throws loggedOut where there is none. */
  standing(): Promise<Standing>;
  /** A client that is authenticated as the chosen profile and names the session. Throws loggedOut. */
  client(wishes?: ClientWishes): Promise<Client>;
  /** A client of any server with any credential, or none. */
  clientOf(options: { server: string; token?: string; session?: string }): Promise<Client>;
}

/** A session's name as it may stand in a header and an address. Throws usage. */
export const sessionName = (name: string): string => {
  if (sessionNamePattern.test(name)) return name;
  throw usage('A session’s name has 1 to 128 letters, digits, ".", "_", ":" and "-".');
};

/** The context of one command line, and the way to tell it the options once they are parsed. */
export const createContext = (env: CliEnv = readCliEnv()) => {
  let options: GlobalOptions = {};
  let changed = false;
  const noteChange = (): void => {
    changed = true;
  };
  const out = createOutput(() => ({ json: options.json ?? false, quiet: options.quiet ?? false }));
  const profiles = createProfiles(env, out, () => options.profile ?? env.own.KEYHOLD_CLI_PROFILE ?? null);
  const session = (): string | null => {
    const named = options.session ?? env.own.KEYHOLD_CLI_SESSION;
    return named === undefined ? null : sessionName(named);
  };

  const make = async (of: { server: string; token?: string | undefined; session?: string; timeoutMs?: number }) => {
    const { createKeyholdClient } = await import('../client/index.ts');
    return createKeyholdClient({ ...of, onChange: noteChange });
  };

  const context: CliContext = {
    env,
    out,
    input: createInput(),
    profiles,
    get session() {
      return session();
    },
    get changed() {
      return changed;
    },
    noteChange,
    options: () => options,
    standing: () => profiles.standing(),
    client: async ({ timeoutMs, session: other } = {}) => {
      const { server, token } = await profiles.standing();
      const named = other === undefined ? session() : other;
      return await make({
        server,
        token,
        ...(named === null ? {} : { session: named }),
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
      });
    },
    clientOf: (of) => make(of),
  };
  return {
    context,
    configure: (parsed: GlobalOptions): void => {
      options = parsed;
    },
  };
};

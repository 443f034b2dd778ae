import type { Client } from '../client/index.ts';
import { sessionNamePattern } from '../core/names.ts';
import { type CliEnv, readCliEnv } from './env.ts';
import { usage } from './failure.ts';
import { createInput, type Input } from './input.ts';
import { createOutput, type Output } from './output.ts';
import { type Connection, createProfiles, type Profiles } from './profiles/index.ts';

/** The options that every command understands, before or after its name. */
export interface GlobalOptions {
  readonly profile?: string;
  readonly session?: string;
  readonly json?: boolean;
  readonly quiet?: boolean;
}

export interface ClientSettings {
  /** How long one request may take; 30 s by default. */
  readonly timeoutMs?: number;
  /** A session in place of that of the command line; null for none. */
  readonly session?: string | null;
  /** False where a locked keyring must not ask the user to unlock it. */
  readonly mayPrompt?: boolean;
}

/** What every command receives: the options, the ways in and out, and clients of the service. */
export interface CliContext {
  readonly env: CliEnv;
  readonly out: Output;
  readonly input: Input;
  readonly profiles: Profiles;
  /** The session that --session or KEYHOLD_CLI_SESSION names, or null. */
  readonly session: string | null;
  /** True once a change has been saved. */
  readonly changed: boolean;
  /** To be called after a change that did not go through the client, which notes its own. */
  noteChange(): void;
  options(): GlobalOptions;
  /** The chosen profile's server and credential. Throws loggedOut where there is none. */
  connection(): Promise<Connection>;
  /** A client that is authenticated as the chosen profile and names the session. Throws loggedOut. */
  client(settings?: ClientSettings): Promise<Client>;
  /** A client of any server with any credential, or none. */
  clientOf(options: { server: string; token?: string; session?: string }): Promise<Client>;
}

/** A session's name as it may stand in a header and an address. Throws usage. */
export const sessionName = (name: string): string => {
  if (sessionNamePattern.test(name)) return name;
  throw usage('A session’s name has 1 to 128 letters, digits, ".", "_", ":" and "-".');
};

interface ContextParts {
  readonly env?: CliEnv;
  /** Where notes and warnings go, in place of the process's stderr. */
  readonly stderr?: NodeJS.WriteStream;
}

/** The context of one command line, and a function that sets its options once they are parsed. */
export const createContext = ({ env = readCliEnv(), stderr = process.stderr }: ContextParts = {}) => {
  let options: GlobalOptions = {};
  let changed = false;
  const noteChange = (): void => {
    changed = true;
  };
  const outputOptions = () => ({ json: options.json ?? false, quiet: options.quiet ?? false });
  const out = createOutput(outputOptions, { stdout: process.stdout, stderr });
  const profiles = createProfiles(env, out, () => options.profile ?? env.own.KEYHOLD_CLI_PROFILE ?? null);
  const session = (): string | null => {
    const named = options.session ?? env.own.KEYHOLD_CLI_SESSION;
    return named === undefined ? null : sessionName(named);
  };

  const clientOf = async (of: { server: string; token?: string; session?: string; timeoutMs?: number }) => {
    const { createNodeClient } = await import('./node-client.ts');
    return createNodeClient({ ...of, onChange: noteChange });
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
    connection: () => profiles.connection(),
    client: async ({ timeoutMs, session: other, mayPrompt } = {}) => {
      const { server, token } = await profiles.connection(mayPrompt);
      const named = other === undefined ? session() : other;
      return await clientOf({
        server,
        token,
        ...(named === null ? {} : { session: named }),
        ...(timeoutMs === undefined ? {} : { timeoutMs }),
      });
    },
    clientOf,
  };
  const configure = (parsed: GlobalOptions): void => {
    options = parsed;
  };
  return { context, configure };
};

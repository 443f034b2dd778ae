import { usage } from './failure.ts';

/** Every environment variable of the command line, with the sentence that the reference shows. */
export const cliVariables = {
  KEYHOLD_CLI_SERVER: 'the service’s address, in place of the profile’s',
  KEYHOLD_CLI_TOKEN: 'a token, in place of the stored one; nothing is then stored or looked up',
  KEYHOLD_CLI_PROFILE: 'the profile to use, as --profile does',
  KEYHOLD_CLI_SESSION: 'the session of work, as --session does',
  KEYHOLD_CLI_CONFIG_DIR: 'where profiles lie (default: keyhold/cli in the user’s configuration directory)',
  KEYHOLD_CLI_KEYRING: 'off keeps credentials out of the system keyring, in a 0600 file',
} as const;

export type CliVariable = keyof typeof cliVariables;

/** What the command line knows of its environment. */
export interface CliEnv {
  readonly own: Readonly<Partial<Record<CliVariable, string>>>;
  /** Any other variable; null where it is unset or empty. */
  other(name: 'VISUAL' | 'EDITOR' | 'SHELL' | 'XDG_CONFIG_HOME' | 'XDG_RUNTIME_DIR' | 'APPDATA'): string | null;
  readonly hasSessionBus: boolean;
  /** The whole of it, for a child process that a person asked to run. It holds no KEYHOLD_CLI_TOKEN. */
  forChild(): NodeJS.ProcessEnv;
}

/**
 * The only reader of the environment on the client's side. Throws usage for a name that begins like ours and is none: a
 * misspelt KEYHOLD_CLI_TOKEN would otherwise leave another identity in use. Secrets never come by it but that one.
 */
export const readCliEnv = (source: NodeJS.ProcessEnv = process.env): CliEnv => {
  const misspelt = Object.keys(source).find(
    (name) => name.startsWith('KEYHOLD_CLI_') && !Object.hasOwn(cliVariables, name),
  );
  if (misspelt !== undefined) throw usage(`There is no setting ${misspelt}. docs/cli.md lists them.`);
  const own: Partial<Record<CliVariable, string>> = {};
  for (const name of Object.keys(cliVariables) as CliVariable[]) {
    const value = source[name];
    if (value !== undefined && value !== '') own[name] = value;
  }
  return {
    own,
    other: (name) => source[name] || null,
    hasSessionBus: Boolean(source['DBUS_SESSION_BUS_ADDRESS'] || source['XDG_RUNTIME_DIR']),
    forChild: () => {
      const { KEYHOLD_CLI_TOKEN: _token, ...rest } = source;
      return rest;
    },
  };
};

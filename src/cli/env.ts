import { usage } from './failure.ts';

/** Every environment variable of the command line, with its text in the reference. */
export const cliVariables = {
  KEYHOLD_CLI_SERVER: 'the service’s address, instead of the profile’s',
  KEYHOLD_CLI_TOKEN: 'a token, instead of the stored one; no stored login is then used',
  KEYHOLD_CLI_PROFILE: 'the profile to use, like --profile',
  KEYHOLD_CLI_SESSION: 'the session of work, like --session',
  KEYHOLD_CLI_CONFIG_DIR: 'where profiles are stored (default: keyhold/cli in the user’s configuration directory)',
  KEYHOLD_CLI_KEYRING: '“off” stores credentials in a 0600 file instead of the system keyring',
} as const;

export type CliVariable = keyof typeof cliVariables;

/** The environment of the command line. */
export interface CliEnv {
  readonly own: Readonly<Partial<Record<CliVariable, string>>>;
  /** Any other variable; null where it is unset or empty. */
  other(name: 'VISUAL' | 'EDITOR' | 'SHELL' | 'XDG_CONFIG_HOME' | 'XDG_RUNTIME_DIR' | 'APPDATA'): string | null;
  readonly hasSessionBus: boolean;
  /** The whole environment without KEYHOLD_CLI_TOKEN, for a program that the user runs. */
  forChild(): NodeJS.ProcessEnv;
}

/**
 * Reads the environment; nothing else on the client's side does. Throws usage for an unknown name that begins with
 * KEYHOLD_CLI_, since a misspelt KEYHOLD_CLI_TOKEN would silently leave another identity in use.
 */
export const readCliEnv = (source: NodeJS.ProcessEnv = process.env): CliEnv => {
  const misspelt = Object.keys(source).find(
    (name) => name.startsWith('KEYHOLD_CLI_') && !Object.hasOwn(cliVariables, name),
  );
  if (misspelt !== undefined) throw usage(`Unknown setting ${misspelt}. docs/cli.md lists the settings.`);
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

import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type Installed, install } from './installed.ts';

/** Other programs that run a command with secrets in its environment, from a file of theirs. */
export interface SecretRunners extends AsyncDisposable {
  readonly directory: string;
  /** The file of each program's command line, for Node. */
  readonly programs: Readonly<Record<'varlock' | 'dotenvx' | 'dotenv-cli', string>>;
}

export const secretCount = 25;

/** Installs them beside a file `.env` with these values. */
export const installRunners = async (values: readonly string[]): Promise<SecretRunners> => {
  const installed: Installed = await install('varlock@1.20.0', '@dotenvx/dotenvx@2.38.2', 'dotenv-cli@11.0.0');
  const lines = values.map((value, at) => `SECRET_${at}=${value}\n`);
  await writeFile(join(installed.directory, '.env'), lines.join(''));
  return {
    directory: installed.directory,
    programs: {
      varlock: installed.file('varlock/bin/cli.js'),
      dotenvx: installed.file('@dotenvx/dotenvx/src/cli/dotenvx.js'),
      'dotenv-cli': installed.file('dotenv-cli/cli.js'),
    },
    [Symbol.asyncDispose]: () => installed[Symbol.asyncDispose](),
  };
};

import { existsSync } from 'node:fs';
import type { Client, Secret } from '../../client/index.ts';
import type { CliContext } from '../context.ts';
import { exitCodes } from '../exit-codes.ts';
import { CliFailure, usage } from '../failure.ts';
import { ownSecrets } from '../own-secrets.ts';
import { printable } from '../printable.ts';
import { revealAll } from '../reveal.ts';
import { writePrivateFile } from './private-file.ts';
import { writeEnv } from './write-env.ts';

export interface ExportOptions {
  readonly format: 'env' | 'json' | null;
  readonly only: readonly string[] | null;
  readonly tag: string | null;
  readonly namesOnly: boolean;
  readonly force: boolean;
}

const toStdout = '-';

const formatOf = (context: CliContext, path: string, { format }: ExportOptions): 'env' | 'json' =>
  format ?? (/\.json$/i.test(path) || context.options().json ? 'json' : 'env');

const choose = async (client: Client, { only, tag }: ExportOptions): Promise<Secret[]> => {
  const own = await ownSecrets(client, tag);
  if (only === null) return own.sort((a, b) => (a.name < b.name ? -1 : 1));
  return [...new Set(only)].map((name) => {
    const secret = own.find((one) => one.name === name || one.id === name);
    if (!secret) throw new CliFailure(exitCodes.notFound, `You have no live secret ${name}.`);
    return secret;
  });
};

/** A secret in the form that `keyhold import` reads. */
const recordOf = (secret: Secret, value: string) => ({
  name: secret.name,
  type: secret.type,
  value,
  ...(secret.description === null ? {} : { description: secret.description }),
  ...(secret.tags.length === 0 ? {} : { tags: secret.tags }),
  ...(secret.expires_at === null ? {} : { expires_at: secret.expires_at }),
  ...(Object.keys(secret.metadata).length === 0 ? {} : { metadata: secret.metadata }),
  ...(secret.exposure === 'reveal' ? {} : { exposure: secret.exposure }),
});

const namesOf = (secrets: readonly Secret[], format: 'env' | 'json'): string =>
  format === 'json'
    ? `${JSON.stringify(
        secrets.map((one) => one.name),
        null,
        2,
      )}\n`
    : secrets.map((one) => `${printable(one.name)}=\n`).join('');

const valuesOf = async (client: Client, secrets: readonly Secret[], format: 'env' | 'json'): Promise<string> => {
  const names = new Map(secrets.map((one) => [one.id, one.name]));
  const revealed = await revealAll(client, 'ids', [...names.keys()], (id) => names.get(id) ?? id);
  if (format === 'env') return writeEnv(revealed);
  const values = new Map(revealed.map((one) => [one.id, one.value]));
  const records = secrets.map((one) => recordOf(one, values.get(one.id) ?? ''));
  return `${JSON.stringify({ secrets: records }, null, 2)}\n`;
};

const warning = (path: string): string =>
  `Warning: ${path === toStdout ? 'this output' : path} holds values in plain text. Keyhold neither controls nor records access to it. Delete it when you no longer need it.`;

/** `keyhold export`: writes the caller's own secrets, or only their names, to a file with mode 0600. */
export const exportSecrets = async (context: CliContext, path: string, options: ExportOptions): Promise<void> => {
  if (options.only !== null && options.tag !== null) throw usage('Pass either --only or --tag, not both.');
  // Checked before anything is revealed and recorded.
  if (path !== toStdout && !options.force && existsSync(path)) {
    throw new CliFailure(
      exitCodes.conflict,
      `${path} already exists. Pass --force to overwrite it, or choose another name.`,
    );
  }
  const format = formatOf(context, path, options);
  const client = await context.client();
  const secrets = await choose(client, options);
  const text = options.namesOnly ? namesOf(secrets, format) : await valuesOf(client, secrets, format);
  if (path === toStdout) await context.out.write(text);
  else writePrivateFile(path, text, options.force);
  if (!options.namesOnly) context.out.warn(warning(path));
  if (path !== toStdout)
    context.out.note(`Wrote ${secrets.length} ${options.namesOnly ? 'names' : 'secrets'} to ${path}.`);
};

import type { Client } from '../../client/index.ts';
import type { CliContext } from '../context.ts';
import { usage } from '../failure.ts';
import { ownSecrets } from '../own-secrets.ts';
import { revealAll } from '../reveal.ts';
import { readReference, resolveSecret } from '../secrets/resolve.ts';
import type { NamedValue } from './variables.ts';

/** Which secrets the command receives. */
export interface Choice {
  /** Names, ids or owner/NAME, including secrets of others; null for the caller's own. */
  readonly only: readonly string[] | null;
  /** Only the caller's own secrets with this tag; null for all. */
  readonly tag: string | null;
}

const revealNamed = async (context: CliContext, client: Client, only: readonly string[]): Promise<NamedValue[]> => {
  const names: string[] = [];
  const ids: string[] = [];
  for (const text of new Set(only)) {
    const reference = readReference(text);
    if ('id' in reference) ids.push(reference.id);
    else if (reference.owner === null) names.push(reference.name);
    else ids.push((await resolveSecret(context, client, text)).id);
  }
  const revealed = [...(await revealAll(client, 'names', names)), ...(await revealAll(client, 'ids', ids))];
  return [...new Map(revealed.map((one) => [one.id, one])).values()];
};

/**
 * Reveals the chosen secrets: the caller's own (all or by tag), or those that the command line names, with any owner.
 * If one is not revealed, the whole is refused.
 */
export const revealForRun = async (context: CliContext, client: Client, choice: Choice): Promise<NamedValue[]> => {
  if (choice.only !== null) return await revealNamed(context, client, choice.only);
  const own = await ownSecrets(client, choice.tag);
  if (own.length === 0 && choice.tag !== null) throw usage(`None of your live secrets has the tag ${choice.tag}.`);
  const names = new Map(own.map((secret) => [secret.id, secret.name]));
  return await revealAll(client, 'ids', [...names.keys()], (id) => names.get(id) ?? id);
};

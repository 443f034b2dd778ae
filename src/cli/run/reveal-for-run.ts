import type { Client } from '../../client/index.ts';
import type { CliContext } from '../context.ts';
import { usage } from '../failure.ts';
import { ownSecrets } from '../own-secrets.ts';
import { revealAll } from '../revealing.ts';
import { readReference, resolveSecret } from '../secrets/resolve.ts';
import type { NamedValue } from './variables.ts';

/** Which secrets the command is to have. */
export interface Choice {
  /** Names, ids or owner/NAME, also of other people's secrets; null for one's own. */
  readonly only: readonly string[] | null;
  /** Of one's own, those with this tag. */
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
 * Reveals what was chosen: one's own secrets (all or by tag), or those that were named, whoever owns them. One that is
 * not revealed refuses the whole.
 */
export const revealForRun = async (context: CliContext, client: Client, choice: Choice): Promise<NamedValue[]> => {
  if (choice.only !== null) return await revealNamed(context, client, choice.only);
  const own = await ownSecrets(client, choice.tag);
  if (own.length === 0 && choice.tag !== null) throw usage(`No live secret of yours has the tag ${choice.tag}.`);
  const names = new Map(own.map((secret) => [secret.id, secret.name]));
  return await revealAll(client, 'ids', [...names.keys()], (id) => names.get(id) ?? id);
};

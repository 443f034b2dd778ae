import type { Client } from '../../client/index.ts';
import { isUuid } from '../../core/ids.ts';
import { usage } from '../failure.ts';
import { ownSecrets } from '../own-secrets.ts';
import { revealAll } from '../revealing.ts';
import type { Taken } from './variables.ts';

/** Which secrets the command is to have. */
export interface Choice {
  /** Names or ids, also of other people's secrets; null for one's own. */
  readonly only: readonly string[] | null;
  /** Of one's own, those with this tag. */
  readonly tag: string | null;
}

const takeOnly = async (client: Client, only: readonly string[]): Promise<Taken[]> => {
  const unique = [...new Set(only)];
  const names = await revealAll(
    client,
    'names',
    unique.filter((one) => !isUuid(one)),
  );
  const byId = await revealAll(client, 'ids', unique.filter(isUuid));
  return [...new Map([...names, ...byId].map((one) => [one.id, one])).values()];
};

/**
 * Reveals what was chosen: one's own secrets (all or by tag), or those that were named, whoever owns them. One that is
 * not revealed refuses the whole. `inSession` says that the client names a session.
 */
export const takeSecrets = async (client: Client, choice: Choice, inSession: boolean): Promise<Taken[]> => {
  if (choice.only !== null) return await takeOnly(client, choice.only);
  const own = await ownSecrets(client, choice.tag, inSession);
  if (own.length === 0 && choice.tag !== null) throw usage(`No live secret of yours has the tag ${choice.tag}.`);
  const names = new Map(own.map((secret) => [secret.id, secret.name]));
  return await revealAll(client, 'ids', [...names.keys()], (id) => names.get(id) ?? id);
};

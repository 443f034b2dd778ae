import type { Keys, RootKey } from '../../client/index.ts';
import { serviceName } from './waits.ts';

/** The form of an instant in sentences: to the second, in UTC. */
export const instantText = (instant: string): string => instant.replace(/\.\d+Z$/, 'Z');

/** Which backups need a root key that nothing else needs. */
export const backupsText = ({ id, unused_since, retired_at }: RootKey): string => {
  const since = unused_since ?? retired_at;
  const which = since === null ? 'Backups that name it' : `Backups from before ${instantText(since)}`;
  return `${which} cannot be opened without it: keep ${id} as long as you keep any of them.`;
};

/** Whether a key was added and nothing has used it yet. */
export const isPending = (key: RootKey): boolean =>
  key.state === 'current' &&
  key.unused_since === null &&
  key.last_token_expires_at === null &&
  key.owner_keys === 0 &&
  key.logins === 0 &&
  key.needed_for.length === 0;

/**
 * When the access tokens that a key signed have expired, as sentences. While it signs there is no such time: the service gives
 * none, although it has a reason about them.
 */
export const tokensText = ({ last_token_expires_at: expires, needed_for }: RootKey): string[] => {
  if (expires !== null) return [`Access tokens that it signed may be valid until ${instantText(expires)}.`];
  return needed_for.some((reason) => reason.startsWith('Access tokens'))
    ? ['It still signs access tokens, for up to five minutes after another key was made the primary one.']
    : [];
};

const onPending = ({ id }: RootKey, { source }: Keys): string =>
  source === 'KEYHOLD_ROOT_KEYS'
    ? `Root key ${id} was added and is not used yet. Make it the first one on every service, and restart them one after the other.`
    : `Root key ${id} was added and is not used yet. To go on with its rotation, run: keyhold keys rotate-root`;

const onMissing = ({ id, owner_keys, needed_for }: RootKey, { source }: Keys): string =>
  owner_keys > 0
    ? `Root key ${id} is missing from ${source}. ${needed_for.join(' ')} Restore it from its backup.`
    : `Root key ${id} is known to the database, and the service that answered does not have it.`;

/** What holds for one root key, and what can be done with it next; nothing for the primary one. */
const onRootKey = (key: RootKey, keys: Keys): string[] => {
  if (key.state === 'primary') return [];
  if (key.state === 'retired') return [`Root key ${key.id} is retired. ${backupsText(key)}`];
  if (key.state === 'missing') return [onMissing(key, keys)];
  if (isPending(key)) return [onPending(key, keys)];
  if (key.needed_for.length > 0)
    return [
      [
        `Root key ${key.id} cannot be retired yet.`,
        ...key.needed_for.filter((reason) => !reason.startsWith('Access tokens')),
        ...tokensText(key),
      ].join(' '),
    ];
  return [
    `Root key ${key.id} is not needed any more. To retire it, run: keyhold keys retire ${key.id}`,
    `  ${backupsText(key)}`,
  ];
};

const onDisagreement = ({ services }: Keys): string[] => {
  const primaries = new Set(services.map(({ root_key_ids: [first] }) => first));
  if (primaries.size < 2) return [];
  const each = services.map((service) => `service ${serviceName(service)} uses ${service.root_key_ids[0]}`);
  return [
    `The services do not have the same primary root key: ${each.join(', ')}. Give those that are behind the same order of keys, and reload them.`,
  ];
};

const onSealKeys = ({ seal_keys }: Keys, isResealing: boolean): string[] =>
  isResealing
    ? []
    : seal_keys
        .filter(({ state }) => state === 'verifying')
        .map(
          ({ id }) =>
            `Rows may still need seal key ${id}. To seal them anew and retire it, run: keyhold keys retire ${id}`,
        );

/** What holds for the keys and what can be done next, as sentences. */
export const adviceOn = (keys: Keys, { isResealing }: { readonly isResealing: boolean }): string[] => [
  ...onDisagreement(keys),
  ...keys.root_keys.flatMap((key) => onRootKey(key, keys)),
  ...onSealKeys(keys, isResealing),
];

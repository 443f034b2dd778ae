import { type RawBuilder, sql } from 'kysely';
import type { RootKeySource, RootKeys } from '../config/root-keys.ts';
import type { Clock } from '../core/clock.ts';
import { KeyholdError } from '../core/errors.ts';
import type { Tx } from '../db/database.ts';
import type { RootKeyRow, ServiceKeyRow } from '../db/tables/index.ts';
import { type RootKey, rootKeyInMemory } from './root-key.ts';
import type { CurrentSealKeys, SealKeys } from './seal-keys.ts';
import { createSeals, type Seals } from './seals.ts';
import { copyServiceKeys, newServiceKey, openServiceKeys, type ServiceKey, writeServiceKey } from './service-keys.ts';

/** The root keys as they are configured, and the service's keys that they open. */
export interface ProvedKeys {
  /** What was read. */
  readonly configured: RootKeys;
  /** Those that are not retired, the primary first. */
  readonly rootKeys: readonly [RootKey, ...RootKey[]];
  readonly serviceKeys: readonly ServiceKey[];
  readonly sealKeys: SealKeys;
  /** The key of MACs that must outlive the seal keys. It is made once and never replaced. */
  readonly lookupKey: Uint8Array;
  /** What the database knows of root keys, these and others. */
  readonly states: readonly RootKeyRow[];
}

/** Starts whatever is kept under the lookup key, in the transaction that makes the key. */
export type OnNewLookupKey = (
  tx: Tx,
  keys: { readonly sealKeys: CurrentSealKeys; readonly lookupKey: Uint8Array },
) => Promise<void>;

const refuse = (detail: string): KeyholdError => new KeyholdError('state_conflict', detail);

/** How many owner keys each root key wraps. */
export const countOwnerKeys = async (tx: Tx): Promise<ReadonlyMap<string, number>> => {
  const { rows } = await sql<{ id: string; count: number }>`
    select root_key_id as id, count(*) as count from public.owner_keys where wrapped_key <> '' group by root_key_id`.execute(
    tx,
  );
  return new Map(rows.map(({ id, count }) => [id, Number(count)]));
};

const neededOf = (counts: ReadonlyMap<string, number>, but: ReadonlySet<string> = new Set()): string =>
  [...counts]
    .filter(([id]) => !but.has(id))
    .map(([id, count]) => `${id} (${count} owner ${count === 1 ? 'key' : 'keys'})`)
    .join(', ');

/** The newest active generation seals. */
export const sealKeysOf = (keys: readonly ServiceKey[]): SealKeys => {
  const seal = keys.filter(({ purpose }) => purpose === 'seal').sort((a, b) => b.generation - a.generation);
  const sealing = seal.find(({ state }) => state === 'active');
  if (!sealing) throw refuse('The database holds no seal key. Restore table service_keys from a backup.');
  const verifying = seal.filter(({ state }) => state !== 'retired');
  return {
    sealing,
    verifying: [sealing, ...verifying.filter((key) => key !== sealing)],
    retired: seal.filter(({ state }) => state === 'retired'),
  };
};

const lookupKeyOf = (keys: readonly ServiceKey[]): Uint8Array | null => {
  const [first, ...others] = keys.filter(({ purpose }) => purpose === 'lookup');
  if (others.length > 0)
    throw refuse('The database holds several lookup keys. Restore table service_keys from a backup.');
  return first?.key ?? null;
};

/** Says which keys this database needs, where there is no usable configuration to compare them with. */
const refuseUnusable = async (tx: Tx, problem: string, usable: RootKeys | null): Promise<never> => {
  const known = new Set(usable?.keys.map(({ id }) => id));
  const counts = await countOwnerKeys(tx);
  const missing = neededOf(counts, known);
  const inUse = [...known].map((id) => `${id} (${counts.get(id) ?? 0} owner keys)`).join(', ');
  throw refuse(
    [
      problem,
      ...(inUse === '' ? [] : [`It holds root key ${inUse}.`]),
      ...(missing === '' ? [] : [`This database needs root key ${missing}: restore it from its backup.`]),
      'Nothing was changed.',
    ].join(' '),
  );
};

/** Where anything was ever wrapped, a new key would open nothing, so none is made. */
const isFirstStart = async (tx: Tx, rows: readonly ServiceKeyRow[]): Promise<boolean> =>
  rows.length === 0 && (await countOwnerKeys(tx)).size === 0;

const configuredFor = async (tx: Tx, source: RootKeySource, isFirst: boolean): Promise<RootKeys> => {
  const configured = source.read() ?? (isFirst ? source.create() : null);
  if (configured === null) return await refuseUnusable(tx, `There is no root key in ${source.place}.`, null);
  if (configured.flaws.length > 0) return await refuseUnusable(tx, configured.flaws.join(' '), configured);
  return configured;
};

/** Refuses to work while somebody's owner key needs a root key that is not configured. */
const refuseMissing = async (tx: Tx, { keys, source }: RootKeys): Promise<void> => {
  const missing = neededOf(await countOwnerKeys(tx), new Set(keys.map(({ id }) => id)));
  if (missing === '') return;
  throw refuse(`Root keys are missing from ${source}: ${missing}. Add them, or restore the backup of the root key.`);
};

/** A first start makes the seal key. Where users exist already, its absence means that rows were taken away. */
const firstSealKey = async (tx: Tx, clock: Clock): Promise<ServiceKey> => {
  const users = await tx.selectFrom('users').select('id').limit(1).execute();
  if (users.length > 0)
    throw refuse(
      'The seal keys are missing from the database although it holds users. Restore table service_keys from a backup.',
    );
  return newServiceKey(clock, { purpose: 'seal', generation: 1, state: 'active' });
};

const byAge: RawBuilder<unknown> = sql`created_at`;

/** What the database holds of the service's keys. */
export const readServiceKeys = (tx: Tx): Promise<ServiceKeyRow[]> =>
  tx.selectFrom('service_keys').selectAll().orderBy(byAge).orderBy('id').orderBy('root_key_id').execute();

/** What the database knows of every root key that was ever proved here. */
export const rootKeyStates = (tx: Tx, seals: Seals, lock?: 'update'): Promise<RootKeyRow[]> =>
  seals.load(tx, 'root_keys', { state: ['current', 'retired'] }, { orderBy: sql`added_at, id`, ...(lock && { lock }) });

interface Deps {
  readonly clock: Clock;
  readonly source: RootKeySource;
  readonly onNewLookupKey: OnNewLookupKey;
}

/** Opens what the database holds, and makes what a first start lacks. Writes nothing yet. */
const opened = async (tx: Tx, { clock }: Deps, rows: readonly ServiceKeyRow[], configured: RootKeys) => {
  const all = configured.keys.map(rootKeyInMemory);
  const stored = await openServiceKeys(rows, all, configured.source);
  const seal = stored.some(({ purpose }) => purpose === 'seal') ? [] : [await firstSealKey(tx, clock)];
  const lookup = stored.some(({ purpose }) => purpose === 'lookup')
    ? []
    : [newServiceKey(clock, { purpose: 'lookup', generation: 1, state: 'active' })];
  return { all, stored, made: [...seal, ...lookup] };
};

/**
 * Proves every configured root key against the database and opens the service's keys, in a transaction that holds `lockKeys`.
 * A first start makes them. A root key that is new here gets its own wrapped copy of each; a retired one is left out. Throws
 * `state_conflict` with the id of the missing or wrong key, what depends on it and what to do. `onNewLookupKey` runs
 * where the lookup key is made: on an empty database, and on one of a version that had none. If it throws, no key is made.
 */
export const proveKeys = async (tx: Tx, deps: Deps): Promise<ProvedKeys> => {
  const { clock, source, onNewLookupKey } = deps;
  const rows = await readServiceKeys(tx);
  const configured = await configuredFor(tx, source, await isFirstStart(tx, rows));
  // Checked first, so that the message about a wrong root key says how much depends on the right one.
  await refuseMissing(tx, configured);
  const { all, stored, made } = await opened(tx, deps, rows, configured);
  const serviceKeys = [...stored, ...made];
  const sealKeys = sealKeysOf(serviceKeys);
  const seals = createSeals(() => sealKeys);
  const states = await rootKeyStates(tx, seals);
  const retired = new Set(states.filter(({ state }) => state === 'retired').map(({ id }) => id));
  const [primary, ...others] = all.filter(({ id }) => !retired.has(id));
  if (!primary) throw refuse(`Every root key in ${configured.source} is retired. Add one that is in use.`);
  const rootKeys = [primary, ...others] as const;
  await copyServiceKeys(tx, clock, rootKeys, stored, rows);
  for (const key of made) await writeServiceKey(tx, clock, rootKeys, key);
  const lookupKey = lookupKeyOf(serviceKeys);
  if (!lookupKey) throw refuse('The database holds no lookup key. Restore table service_keys from a backup.');
  if (made.some(({ purpose }) => purpose === 'lookup'))
    await onNewLookupKey(tx, { sealKeys: () => sealKeys, lookupKey });
  const added = await addStates(tx, clock, seals, rootKeys, states);
  return { configured, rootKeys, serviceKeys, sealKeys, lookupKey, states: [...states, ...added] };
};

/** Notes the root keys that are new here. */
const addStates = async (
  tx: Tx,
  clock: Clock,
  seals: Seals,
  rootKeys: readonly RootKey[],
  states: readonly RootKeyRow[],
): Promise<readonly RootKeyRow[]> => {
  const known = new Set(states.map(({ id }) => id));
  const added: RootKeyRow[] = [];
  const added_at = clock.now();
  for (const { id } of rootKeys.filter((key) => !known.has(key.id))) {
    const row = { id, added_at, last_signed_at: null, unused_since: null, retired_at: null } as const;
    added.push(await seals.insert(tx, 'root_keys', { ...row, state: 'current' }));
  }
  return added;
};

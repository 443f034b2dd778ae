import { type Clock, later } from '../core/clock.ts';
import { databaseNow } from '../db/checks.ts';
import { type Db, inTransaction, type Tx } from '../db/database.ts';
import type { RootKeyRow } from '../db/tables/index.ts';
import {
  type HeldKeys,
  type KeyRing,
  lastTokenExpires,
  liveServices,
  neededFor,
  type RootKeyDependents,
  rootKeyDependents,
  rootKeyStates,
  type Seals,
} from '../keys/index.ts';

/** One root key: where it stands, what needs it, and whether it can be retired. */
interface RootKeyStatus {
  readonly id: string;
  /** `missing`: something needs it, and this service does not hold it. */
  readonly state: 'primary' | 'current' | 'retired' | 'missing';
  readonly added_at: Date | null;
  readonly owner_keys: number;
  readonly logins: number;
  /** When the last access token that it signed has expired; null while it signs, or if it never did. */
  readonly last_token_expires_at: Date | null;
  /** Backups that were made before need it; null while it is in use. */
  readonly unused_since: Date | null;
  readonly retired_at: Date | null;
  /** Why it cannot be retired now, each as a sentence; empty if it can, or is retired. */
  readonly needed_for: readonly string[];
}

interface SealKeyStatus {
  readonly id: string;
  readonly generation: number;
  readonly state: 'sealing' | 'announced' | 'verifying' | 'retired';
  readonly created_at: Date;
  readonly promoted_at: Date | null;
}

interface ServiceStatus {
  readonly id: string;
  readonly host: string;
  readonly pid: number;
  readonly root_key_ids: readonly string[];
  readonly seal_generation: number;
  readonly started_at: Date;
  readonly seen_at: Date;
}

export interface KeysStatus {
  /** Where this service reads its root keys. */
  readonly source: string;
  readonly root_keys: readonly RootKeyStatus[];
  readonly seal_keys: readonly SealKeyStatus[];
  readonly services: readonly ServiceStatus[];
}

/** What decides whether root keys can be retired, read together. */
export const readRootKeys = async (tx: Tx, clock: Clock, seals: Seals, lock?: 'update') => {
  const dbNow = await databaseNow(tx);
  const now = later(clock.now(), dbNow);
  const states = await rootKeyStates(tx, seals, lock);
  const services = await liveServices(tx, seals, dbNow);
  return { now, states, services, dependents: await rootKeyDependents(tx, states, now) };
};

const nothing: RootKeyDependents = { owner_keys: 0, logins: 0 };

const unknownState = (id: string): RootKeyRow => ({
  id,
  state: 'current',
  added_at: new Date(0),
  last_signed_at: null,
  unused_since: null,
  retired_at: null,
  seal: Buffer.alloc(0),
});

type Read = Awaited<ReturnType<typeof readRootKeys>>;

const rootKeyStatus = (held: HeldKeys, { now, states, services, dependents }: Read, id: string): RootKeyStatus => {
  const known = states.find((one) => one.id === id);
  const row = known ?? unknownState(id);
  const needs = dependents.get(id) ?? nothing;
  const isHeld = held.rootKeys.some((key) => key.id === id);
  const unheld = row.state === 'retired' ? 'retired' : 'missing';
  return {
    id,
    state: isHeld ? (held.rootKeys[0].id === id ? 'primary' : 'current') : unheld,
    added_at: known?.added_at ?? null,
    ...needs,
    last_token_expires_at: held.signing.rootKeyId === id ? null : lastTokenExpires(row),
    unused_since: row.unused_since,
    retired_at: row.retired_at,
    needed_for: row.state === 'retired' ? [] : neededFor(row, needs, services, now),
  };
};

const sealKeyStatuses = ({ sealGenerations, sealKeys }: HeldKeys): readonly SealKeyStatus[] =>
  sealGenerations
    .toSorted((a, b) => b.generation - a.generation)
    .map(({ id, generation, state, created_at, promoted_at }) => {
      const active = id === sealKeys.sealing.id ? 'sealing' : 'verifying';
      return { id, generation, state: state === 'active' ? active : state, created_at, promoted_at };
    });

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly keys: KeyRing;
  readonly seals: Seals;
}

/** Tells of every root key, seal key and live service how it stands. */
export const createKeysStatus =
  ({ db, clock, keys, seals }: Deps) =>
  async (): Promise<KeysStatus> => {
    // What a job or another service has just changed is shown at once. Where the heartbeat fails, `held` may refuse.
    await keys.beat().catch(() => undefined);
    const held = keys.held();
    const read = await inTransaction(db, (tx) => readRootKeys(tx, clock, seals));
    const order = [...held.rootKeys.map(({ id }) => id), ...read.dependents.keys()];
    return {
      source: held.configured.source,
      root_keys: [...new Set(order)].map((id) => rootKeyStatus(held, read, id)),
      seal_keys: sealKeyStatuses(held),
      services: read.services.map(
        ({ service_id: id, host, pid, root_key_ids, sealing_generation, started_at, seen_at }) => ({
          id,
          host,
          pid,
          root_key_ids,
          seal_generation: sealing_generation,
          started_at,
          seen_at,
        }),
      ),
    };
  };

import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import { type ConfiguredRootKey, generateRootKey, parseRootKey } from '../config/root-keys.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { KeyholdError, notFound } from '../core/errors.ts';
import type { LoginId } from '../core/ids.ts';
import { type Db, inTransaction, type Tx } from '../db/database.ts';
import type { HeartbeatRow, RootKeyRow } from '../db/tables/index.ts';
import type { JobView } from '../jobs/index.ts';
import { type KeyRing, lockKeys, neededFor, removeCopies, type Seals, serviceName } from '../keys/index.ts';
import { endLoginsUnder } from './end-logins.ts';
import type { Recorded } from './recorded.ts';
import { readRootKeys } from './status.ts';

/** How far a rotation of the root key is. Asked again, it goes on from there. */
type RotateRootOutcome =
  /** The new key is in the file and waits for these services to hold it. */
  | { readonly state: 'waiting'; readonly root_key_id: string; readonly waiting_for: readonly string[] }
  /** The new key is the primary one, and owner keys move to it. */
  | { readonly state: 'rewrapping'; readonly root_key_id: string; readonly job: JobView };

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly keys: KeyRing;
  readonly seals: Seals;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly recorded: Recorded;
  readonly startRewrap: (caller: Caller) => Promise<JobView>;
}

export interface RetireRoot {
  readonly rootKeyId: string;
  /** Ends the logins that need it, instead of waiting until they are refreshed. */
  readonly endLogins: boolean;
}

type RootKeyList = readonly ConfiguredRootKey[];

type Read = Awaited<ReturnType<typeof readRootKeys>>;

const newKey = (): ConfiguredRootKey => {
  const key = parseRootKey(generateRootKey());
  if (!key) throw new Error('a generated root key is not one');
  return key;
};

const neverUsed = ({ last_signed_at, unused_since, state }: RootKeyRow): boolean =>
  last_signed_at === null && unused_since === null && state === 'current';

/** Changes of the root keys that this service makes. */
export const createRootChanges = (deps: Deps) => {
  const { db, clock, keys, seals, audit, mutate, recorded, startRewrap } = deps;

  const read = (): Promise<Read> => inTransaction(db, (tx) => readRootKeys(tx, clock, seals));

  /** A key that was added last and never used: it is next to become the primary one. */
  const pendingIn = ({ states, dependents }: Read): string | null => {
    const { rootKeys } = keys.held();
    const last = rootKeys.length > 1 ? rootKeys.at(-1) : undefined;
    const state = states.find(({ id }) => id === last?.id);
    if (!state || !neverUsed(state)) return null;
    return (dependents.get(state.id)?.owner_keys ?? 0) === 0 ? state.id : null;
  };

  const isUnfinished = ({ dependents }: Read): boolean => {
    const [primary, ...others] = keys.held().rootKeys;
    return others.some(({ id }) => id !== primary.id && (dependents.get(id)?.owner_keys ?? 0) > 0);
  };

  const lacking = ({ services }: Read, id: string): readonly HeartbeatRow[] =>
    services.filter(({ root_key_ids: held }) => !held.includes(id));

  const add = async (caller: Caller, seen: RootKeyList): Promise<string> => {
    const added = newKey();
    await recorded(caller, 'key.rotate_root', { root_key_id: added.id, step: 'added' }, () =>
      keys.rewriteFile((before) => [...orChanged(before, seen), added]),
    );
    return added.id;
  };

  const promote = (caller: Caller, id: string, seen: RootKeyList): Promise<unknown> =>
    recorded(caller, 'key.rotate_root', { root_key_id: id, step: 'promoted' }, () =>
      keys.rewriteFile((before) => {
        const same = orChanged(before, seen);
        return [...same.filter((key) => key.id === id), ...same.filter((key) => key.id !== id)];
      }),
    );

  const retireLocked = async (tx: Tx, caller: Caller, id: string, ended: number) => {
    await lockKeys(tx);
    const { now, states, services, dependents } = await readRootKeys(tx, clock, seals, 'update');
    const refuse = (error: KeyholdError) => audit.refuse(tx, caller, 'key.retire', { target: keysTarget, error });
    const row = states.find((one) => one.id === id);
    if (!row) return await refuse(notFound());
    if (row.state === 'retired') return { ok: undefined };
    const needed = neededFor(row, dependents.get(id) ?? { owner_keys: 0, logins: 0 }, services, now);
    if (needed.length > 0) return await refuse(stillNeeded(id, [...endedSentence(ended), ...needed]));
    await removeCopies(tx, id);
    const unused_since = row.unused_since ?? now;
    await seals.update(tx, 'root_keys', row, { state: 'retired', retired_at: now, unused_since });
    await audit.allow(tx, caller, 'key.retire', { target: keysTarget, details: { root_key_id: id } });
    return { ok: undefined };
  };

  /** Ends the logins that need the key, in batches; resolves to how many. */
  const endLogins = async (caller: Caller, id: string): Promise<number> => {
    let all = 0;
    let ended = 0;
    do {
      ended = await mutate(caller, async (tx) => {
        const count = await endLoginsUnder(tx, seals, id, { now: clock.now(), except: ownLogin(caller) });
        if (count > 0)
          await audit.allow(tx, caller, 'key.logins_end', {
            target: keysTarget,
            details: { root_key_id: id, logins: count },
          });
        return { ok: count };
      });
      all += ended;
    } while (ended > 0);
    return all;
  };

  return {
    /** Reads the root keys again. Throws `state_conflict` with what is wrong, and keeps the keys that it has. */
    reload: async (caller: Caller): Promise<void> => {
      const { configured } = keys.held();
      await recorded(caller, 'key.reload', {}, async () => {
        if (configured.file === null) throw needsRestart(configured.source);
        await keys.reload();
      });
    },

    /**
     * Takes the next steps of replacing the root key: adds a new one to the file as the last, promotes it once every live
     * service holds it, and starts to rewrap. It goes on with a rotation that was begun.
     */
    rotateRoot: async (caller: Caller): Promise<RotateRootOutcome> => {
      const seen = keys.held().configured.keys;
      const before = await read();
      if (isUnfinished(before)) {
        return { state: 'rewrapping', root_key_id: keys.held().rootKeys[0].id, job: await startRewrap(caller) };
      }
      const id = pendingIn(before) ?? (await add(caller, seen));
      const withNew = keys.held().configured.keys;
      const missing = lacking(await read(), id);
      if (missing.length > 0) return { state: 'waiting', root_key_id: id, waiting_for: missing.map(serviceName) };
      await promote(caller, id, withNew);
      return { state: 'rewrapping', root_key_id: id, job: await startRewrap(caller) };
    },

    /**
     * Retires a root key for good: no service uses or publishes it any more, even where it is still configured. Throws
     * `state_conflict` with what still needs it, counted in the transaction that would retire it.
     */
    retireRoot: async (caller: Caller, { rootKeyId, endLogins: isEnding }: RetireRoot): Promise<void> => {
      // Nobody is logged out for a key that is not replaced. Access tokens that it signed may delay its end, but not theirs.
      const ended = isEnding && isReplaced(await read(), rootKeyId) ? await endLogins(caller, rootKeyId) : 0;
      await mutate(caller, (tx) => retireLocked(tx, caller, rootKeyId, ended));
      await keys.beat();
    },
  };
};

/** Whether nothing is wrapped under the key any more, and nothing will be. */
const isReplaced = ({ states, services, dependents }: Read, id: string): boolean =>
  states.some((row) => row.id === id && row.state === 'current') &&
  !services.some(({ root_key_ids: [primary] }) => primary === id) &&
  (dependents.get(id)?.owner_keys ?? 0) === 0;

const endedSentence = (ended: number): readonly string[] =>
  ended === 0 ? [] : [`${ended} ${ended === 1 ? 'login that needed it was' : 'logins that needed it were'} ended.`];

/** The caller's own login goes on, or its answer would be that it has ended. */
const ownLogin = ({ credential }: Caller): LoginId | null => (credential.kind === 'login' ? credential.id : null);

const keysTarget = { type: 'keys', id: null } as const;

/** The keys, if they are those that the decision to change them was about. */
const orChanged = (now: RootKeyList, seen: RootKeyList): RootKeyList => {
  if (now.length === seen.length && now.every(({ id }, at) => id === seen[at]?.id)) return now;
  throw new KeyholdError('state_conflict', 'Somebody else has just changed the root keys. Ask again to go on.');
};

const needsRestart = (source: string): KeyholdError =>
  new KeyholdError(
    'state_conflict',
    `The root keys come from ${source}, which a running service cannot read again. Restart the service instead.`,
  );

const stillNeeded = (id: string, reasons: readonly string[]): KeyholdError =>
  new KeyholdError('state_conflict', `Root key ${id} is still needed. ${reasons.join(' ')}`);

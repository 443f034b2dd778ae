import { randomUUID } from 'node:crypto';
import { type ConfiguredRootKey, type RootKeySource, writeRootKeyFile } from '../config/root-keys.ts';
import { type Clock, later } from '../core/clock.ts';
import { KeyholdError } from '../core/errors.ts';
import { databaseNow } from '../db/checks.ts';
import { type Db, inTransaction, type Tx } from '../db/database.ts';
import type { HeartbeatRow, ServiceKeyRow } from '../db/tables/index.ts';
import { enterHeartbeat, type Heartbeat, liveMs, liveServices, lockKeys, removeHeartbeat } from './heartbeats.ts';
import { type HeldKeys, heldKeys, renewedKeys, type Snapshot, textOfStates } from './held-keys.ts';
import {
  type OnNewLookupKey,
  type ProvedKeys,
  proveKeys,
  readServiceKeys,
  rootKeyStates,
  sealKeysOf,
} from './prove.ts';
import { idsOf, isBehind, noFile, noteSigning, refuseConflicts, wasEdited } from './ring-rules.ts';
import { neededFor, rootKeyDependents } from './root-key-needs.ts';
import { createSeals, type Seals } from './seals.ts';
import { copyServiceKeys, openServiceKeys, refuseUnretired, type ServiceKey } from './service-keys.ts';

export interface KeyRing {
  /** This service, as its heartbeat names it. */
  readonly serviceId: string;
  /** The keys as they are now. Throws `unavailable` while this service may not use them. */
  held(): HeldKeys;
  /**
   * Reads the root keys again and uses them from now on. All or nothing: throws `state_conflict` or `invalid_request`, and
   * keeps the keys that it has, for keys that cannot be used, that another live service does not hold, or without which
   * something here no longer opens.
   */
  reload(): Promise<HeldKeys>;
  /**
   * Replaces the keys in the file by what `change` makes of them, and uses them from now on. All or nothing, as `reload`: where
   * the keys cannot be used, the file is put back. Throws `state_conflict` where there is no file, where it cannot be
   * written, and where it was edited since it was read.
   */
  rewriteFile(change: (keys: readonly ConfiguredRootKey[]) => readonly ConfiguredRootKey[]): Promise<HeldKeys>;
  /** Tells that this service lives and takes up what others changed. Called every few seconds, and by tests. */
  beat(): Promise<void>;
  /**
   * Where the last heartbeat is too old for the keys to be used, tries to renew it first: after an outage of the database, the
   * first request is answered. Never rejects; `held` says what came of it.
   */
  revive(): Promise<void> | undefined;
  /** Says that this service has ended. */
  close(): Promise<void>;
}

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly source: RootKeySource;
  readonly onNewLookupKey: OnNewLookupKey;
  /** Told what the operator should know of keys that changed or could not be taken up. */
  readonly log: (message: string) => void;
}

/**
 * Others count this service as ended after 30 s. It stops using its keys before: with the time that a statement may take, nothing
 * that it sealed or wrapped is under way by then. Only a process that is suspended just before a COMMIT may be later, and for
 * that `stragglerMs` and the life of access tokens leave time before anything is retired.
 */
const maxSilenceMs = 20_000;
/** A heartbeat this old is not renewed but entered anew, since others may have ceased to reckon with this service. */
const renewableMs = liveMs - 5000;
const beatEveryMs = 5000;
const retryEveryMs = 1000;

/** Time that passed, also while the process or the machine was suspended. */
const stopwatch = (): (() => number) => {
  const wall = Date.now();
  const monotonic = performance.now();
  return () => Math.max(Date.now() - wall, performance.now() - monotonic);
};

const sameList = (a: readonly string[], b: readonly string[]): boolean => a.join() === b.join();

/** Anybody may get this as an answer, so that the reason, which names keys and services, is for the log. */
const suspended = (): KeyholdError =>
  new KeyholdError(
    'unavailable',
    'This service may not use its keys at the moment. Its log says why. Try again shortly.',
    {
      retryAfterSeconds: 1,
    },
  );

/**
 * Opens the key ring of a service: proves its root keys, checks that it can run beside every other live service, and keeps
 * both true until it is closed. Throws `state_conflict` with what is wrong with the keys and what to do.
 */
export const openKeyRing = async (deps: Deps): Promise<KeyRing> => {
  const ring = new Ring(deps);
  await ring.reload();
  ring.start();
  return ring;
};

class Ring implements KeyRing {
  readonly serviceId = randomUUID();
  readonly #deps: Deps;
  readonly #startedAt: Date;
  #snapshot: Snapshot | null = null;
  /** Since the beginning of the last heartbeat that was written. */
  #silence = stopwatch();
  /** Why the last heartbeat was not written; null for no reason that concerns the operator. */
  #trouble: string | null = null;
  #timer: NodeJS.Timeout | null = null;
  #beating: Promise<void> | null = null;
  /** The last of those that change the keys one after the other. */
  #lastTurn: Promise<unknown> = Promise.resolve();
  #closed = false;

  constructor(deps: Deps) {
    this.#deps = deps;
    this.#startedAt = deps.clock.now();
  }

  held(): HeldKeys {
    if (this.#snapshot === null || this.#silence() > maxSilenceMs) throw suspended();
    return this.#snapshot.held;
  }

  reload(): Promise<HeldKeys> {
    return this.#inTurn(() => this.#enter(this.#deps.source));
  }

  rewriteFile(change: (keys: readonly ConfiguredRootKey[]) => readonly ConfiguredRootKey[]): Promise<HeldKeys> {
    return this.#inTurn(() => this.#rewrite(change));
  }

  async #rewrite(change: (keys: readonly ConfiguredRootKey[]) => readonly ConfiguredRootKey[]): Promise<HeldKeys> {
    const { source } = this.#deps;
    const { configured } = this.held();
    const { file, keys: before } = configured;
    if (file === null) throw noFile(configured.source);
    const after = change(before);
    let written = false;
    try {
      // While no other service changes its keys, so that of two rewritings one sees what the other did. It may run again.
      return await this.#enter(source, () => {
        const now = source.read();
        const expected = idsOf(written ? after : before);
        // A line that is no key may be one that somebody is about to correct.
        if (now === null || now.flaws.length > 0 || !sameList(idsOf(now.keys), expected)) throw wasEdited(file);
        if (!written) writeRootKeyFile(file, after);
        written = true;
      });
    } catch (error) {
      if (written) this.#putBack(file, before);
      throw error;
    }
  }

  start(): void {
    this.#schedule(beatEveryMs);
  }

  /** The error that led here is the one to be told; where the file cannot be put back either, the log says so. */
  #putBack(file: string, keys: readonly ConfiguredRootKey[]): void {
    try {
      writeRootKeyFile(file, keys);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      this.#deps.log(
        `${file} holds root keys that are not used, in another order, and could not be put back: ${reason}`,
      );
    }
  }

  beat(): Promise<void> {
    this.#beating ??= this.#inTurn(() => this.#beatOnce()).finally(() => {
      this.#beating = null;
    });
    return this.#beating;
  }

  revive(): Promise<void> | undefined {
    if (this.#snapshot !== null && this.#silence() <= maxSilenceMs) return undefined;
    return this.beat().catch((error: unknown) => this.#note(error));
  }

  async close(): Promise<void> {
    this.#closed = true;
    if (this.#timer) clearTimeout(this.#timer);
    await this.#lastTurn;
    await inTransaction(this.#deps.db, (tx) => removeHeartbeat(tx, this.serviceId)).catch(() => undefined);
  }

  /** Runs `work` after what changes the keys by now: a heartbeat would put the keys back that were there when it began. */
  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#lastTurn.then(work);
    this.#lastTurn = turn.catch(() => undefined);
    return turn;
  }

  #schedule(ms: number): void {
    if (this.#closed) return;
    this.#timer = setTimeout(() => {
      this.beat().then(
        () => this.#schedule(beatEveryMs),
        (error: unknown) => {
          this.#note(error);
          this.#schedule(retryEveryMs);
        },
      );
    }, ms).unref();
  }

  /** Keeps why this service cannot go on, and tells the operator once. A database that does not answer is told elsewhere. */
  #note(error: unknown): void {
    const reason = error instanceof KeyholdError && error.code !== 'unavailable' ? error.message : null;
    if (reason !== null && reason !== this.#trouble) this.#deps.log(`The keys cannot be used: ${reason}`);
    this.#trouble = reason;
  }

  /** Proves the keys that `source` holds, and enters this service among the live ones if it fits in with them. */
  async #enter(source: RootKeySource, first?: () => void): Promise<HeldKeys> {
    const { db, clock, onNewLookupKey, log } = this.#deps;
    const silence = stopwatch();
    const snapshot = await inTransaction(db, async (tx) => {
      await lockKeys(tx);
      first?.();
      const keys = await proveKeys(tx, { clock, source, onNewLookupKey });
      const { serviceKeys, sealKeys, states } = keys;
      refuseUnretired(this.#snapshot?.serviceKeys ?? [], serviceKeys);
      const seals = createSeals(() => sealKeys);
      const now = await databaseNow(tx);
      const others = await this.#others(tx, seals, now);
      refuseConflicts(idsOf(keys.rootKeys), others);
      await this.#refuseDropping(tx, keys, others);
      const held = await heldKeys(keys, serviceKeys, clock.now());
      await enterHeartbeat(tx, seals, this.#heartbeat(held, serviceKeys, now));
      await noteSigning(tx, seals, held, states, clock.now());
      return { held, serviceKeys, rows: JSON.stringify(await readServiceKeys(tx)), states: textOfStates(states) };
    });
    this.#take(snapshot, silence);
    const { rootKeys, configured } = snapshot.held;
    if (rootKeys.length < configured.keys.length)
      log(`Root keys that are retired are still in ${configured.source}; they are not used.`);
    return snapshot.held;
  }

  /** Refuses to go on without a root key that this service holds and that something still needs. */
  async #refuseDropping(tx: Tx, { rootKeys, states }: ProvedKeys, others: readonly HeartbeatRow[]): Promise<void> {
    const kept = new Set(idsOf(rootKeys));
    const held = this.#snapshot?.held.rootKeys ?? [];
    const dropped = states.filter(({ id, state }) => state === 'current' && !kept.has(id) && idsOf(held).includes(id));
    if (dropped.length === 0) return;
    const now = later(this.#deps.clock.now(), await databaseNow(tx));
    const needs = await rootKeyDependents(tx, states, now);
    const reasons = dropped.flatMap((row) => {
      const needed = neededFor(row, needs.get(row.id) ?? { owner_keys: 0, logins: 0 }, others, now);
      return needed.length === 0 ? [] : [`Root key ${row.id} is still needed. ${needed.join(' ')}`];
    });
    if (reasons.length > 0) throw new KeyholdError('state_conflict', `${reasons.join(' ')} Nothing was changed.`);
  }

  async #others(tx: Tx, seals: Seals, now: Date): Promise<readonly HeartbeatRow[]> {
    return (await liveServices(tx, seals, now)).filter((row) => row.service_id !== this.serviceId);
  }

  #heartbeat({ rootKeys }: HeldKeys, serviceKeys: readonly ServiceKey[], now: Date): Heartbeat {
    const seal = serviceKeys.filter(({ purpose, state }) => purpose === 'seal' && state !== 'retired');
    const active = seal.filter(({ state }) => state === 'active');
    return {
      service_id: this.serviceId,
      root_key_ids: idsOf(rootKeys),
      known_generation: Math.max(...seal.map(({ generation }) => generation)),
      sealing_generation: Math.max(...active.map(({ generation }) => generation)),
      started_at: this.#startedAt,
      seen_at: now,
    };
  }

  #take(snapshot: Snapshot, silence: () => number): void {
    this.#snapshot = snapshot;
    this.#silence = silence;
    this.#trouble = null;
  }

  async #beatOnce(): Promise<void> {
    const silence = stopwatch();
    const before = this.#snapshot;
    const renewed = before && (await inTransaction(this.#deps.db, (tx) => this.#renew(tx, before)));
    // Suspended for too long, or removed: others may have changed what this service relied on.
    if (!renewed) return void (await this.#enter(this.#configuredAgain()));
    this.#take(renewed.snapshot, silence);
    if (renewed.behind) await this.#catchUp();
  }

  /** Renews the heartbeat, with the keys as others left them; null when it has lapsed. */
  async #renew(tx: Tx, before: Snapshot): Promise<{ snapshot: Snapshot; behind: boolean } | null> {
    const { clock } = this.#deps;
    const stored = await readServiceKeys(tx);
    const rows = JSON.stringify(stored);
    const serviceKeys = rows === before.rows ? before.serviceKeys : await this.#reopened(tx, stored, before);
    const sealKeys = rows === before.rows ? before.held.sealKeys : sealKeysOf(serviceKeys);
    const seals = createSeals(() => sealKeys);
    const now = await databaseNow(tx);
    const own = await seals.loadOne(tx, 'heartbeats', { service_id: this.serviceId }, { lock: 'update' });
    if (own === null || now.getTime() - own.seen_at.getTime() > renewableMs) return null;
    const states = await rootKeyStates(tx, seals);
    const held = await renewedKeys(before, { sealKeys, states, serviceKeys }, clock.now());
    await seals.update(tx, 'heartbeats', own, this.#heartbeat(held, serviceKeys, now));
    await noteSigning(tx, seals, held, states, clock.now());
    const behind = isBehind(held, states, await this.#others(tx, seals, now));
    return { snapshot: { held, serviceKeys, rows, states: textOfStates(states) }, behind };
  }

  /** Opens the service's keys again, and makes the copies that those of other services lack. */
  async #reopened(tx: Tx, stored: readonly ServiceKeyRow[], { held: { rootKeys, configured }, serviceKeys }: Snapshot) {
    const opened = await openServiceKeys(stored, rootKeys, configured.source);
    refuseUnretired(serviceKeys, opened);
    await copyServiceKeys(tx, this.#deps.clock, rootKeys, opened, stored);
    return opened;
  }

  /** Another service holds or prefers a root key that this one does not: the file may have been changed for both. */
  async #catchUp(): Promise<void> {
    const { source, log } = this.#deps;
    const before = this.#snapshot?.held.configured;
    if (!before || before.file === null) return;
    try {
      const now = source.read();
      if (now === null || sameList(idsOf(now.keys), idsOf(before.keys))) return;
      await this.#enter(source);
      log(`The root keys were read again from ${before.file}, since another service uses others.`);
    } catch (error) {
      // The keys that it has still work.
      if (error instanceof KeyholdError && error.code !== 'unavailable' && error.message !== this.#trouble) {
        log(`The root keys could not be read again: ${error.message}`);
        this.#trouble = error.message;
      }
    }
  }

  /** The keys that were configured when they were last read, whatever the file holds by now. */
  #configuredAgain(): RootKeySource {
    const configured = this.#snapshot?.held.configured;
    if (!configured) return this.#deps.source;
    return { read: () => configured, create: () => null, place: configured.source };
  }
}

import type { Mutate } from '../access/index.ts';
import type { Audit } from '../audit/index.ts';
import type { Caller } from '../core/caller.ts';
import type { Clock } from '../core/clock.ts';
import { KeyholdError, notFound } from '../core/errors.ts';
import type { UserId } from '../core/ids.ts';
import type { Db } from '../db/database.ts';
import type { JobKinds, Jobs, JobView } from '../jobs/index.ts';
import { announceSealKey, type HeldKeys, type KeyRing, lockKeys, type OwnerKeys, type Seals } from '../keys/index.ts';
import { createGiveUp } from './give-up.ts';
import { createRecorded } from './recorded.ts';
import { createReencrypt } from './reencrypt.ts';
import { createReseal } from './reseal.ts';
import { createRewrap } from './rewrap.ts';
import { createRootChanges } from './root.ts';
import { createKeysStatus } from './status.ts';

interface Deps {
  readonly db: Db;
  readonly clock: Clock;
  readonly keys: KeyRing;
  readonly seals: Seals;
  readonly ownerKeys: OwnerKeys;
  readonly audit: Audit;
  readonly mutate: Mutate;
  readonly jobs: Pick<Jobs, 'start' | 'unfinished' | 'nudge'>;
}

/**
 * How long a statement can be under way after the keys that it was made with were replaced: a service uses its keys for 20 s
 * after it was last heard of, waits 2 s for a connection, and the statement takes at most 4 s, a transaction 15 s more.
 */
const stragglerMs = 60_000;

export type Rotation = ReturnType<typeof createRotation>;

const target = { type: 'keys', id: null } as const;

/** Why a seal key cannot be retired, or null. */
const notOlderSealKey = ({ sealKeys, sealGenerations }: HeldKeys, id: string): KeyholdError | null => {
  const key = sealGenerations.find((one) => one.id === id);
  if (!key) return notFound();
  if (key.state === 'announced') return new KeyholdError('state_conflict', 'This key is new, and seals soon.');
  if (sealKeys.sealing.id !== id) return null;
  return new KeyholdError('state_conflict', 'This key seals. Run "keyhold keys rotate-seal" to replace it.');
};

/** Replacing keys while the service runs. The caller is an administrator or the operator. */
export const createRotation = (deps: Deps) => {
  const { db, clock, keys, seals, ownerKeys, audit, mutate, jobs } = deps;
  const recorded = createRecorded({ db, audit, mutate });
  const giveUp = createGiveUp({ seals, audit, mutate, ownerKeys });

  /** Starts a job, or resolves to the one of the kind that is under way where that does the same. */
  const rewrap = async (caller: Caller): Promise<JobView> => {
    const job = await mutate(caller, async (tx) => {
      await lockKeys(tx);
      const [underWay] = await jobs.unfinished(tx, 'rewrap');
      const started = underWay ?? (await jobs.start(tx, caller, { kind: 'rewrap', params: {}, cancellable: true }));
      await audit.allow(tx, caller, 'key.rewrap', { target, details: { job_id: started.id } });
      return { ok: started };
    });
    jobs.nudge();
    return job;
  };

  const root = createRootChanges({ db, clock, keys, seals, audit, mutate, recorded, startRewrap: rewrap });

  return {
    /** What works on the jobs that are started here. */
    kinds: {
      rewrap: createRewrap({ keys, seals, ownerKeys }),
      reencrypt: createReencrypt({ clock, seals, ownerKeys, stragglerMs }),
      reseal: createReseal({ clock, keys, seals, stragglerMs }),
    } satisfies JobKinds,

    status: createKeysStatus({ db, clock, keys, seals }),
    ...root,
    rewrap,

    /** Gives a user, or everybody, a new owner key and encrypts their values with it. Throws `not_found`. */
    reencrypt: async (caller: Caller, ownerId: UserId | null): Promise<JobView> => {
      const job = await mutate(caller, async (tx) => {
        if (ownerId !== null) {
          const key = await seals.loadOne(tx, 'owner_keys', { owner_id: ownerId, state: 'active' });
          if (!key) return await audit.refuse(tx, caller, 'key.reencrypt', { target, error: notFound() });
        }
        const params = { owner_id: ownerId, before: clock.now().toISOString() };
        const started = await jobs.start(tx, caller, { kind: 'reencrypt', params, cancellable: true });
        const details = { job_id: started.id, ...(ownerId === null ? {} : { owner_id: ownerId }) };
        await audit.allow(tx, caller, 'key.reencrypt', { target, details });
        return { ok: started };
      });
      jobs.nudge();
      return job;
    },

    /** Makes a new seal key and seals with it everything that an older one sealed. */
    rotateSeal: async (caller: Caller): Promise<JobView> => {
      const job = await mutate(caller, async (tx) => {
        await lockKeys(tx);
        const { id, generation } = await announceSealKey(tx, clock, keys.held());
        const started = await jobs.start(tx, caller, { kind: 'reseal', params: { generation }, cancellable: false });
        const details = { job_id: started.id, seal_key_id: id, generation };
        await audit.allow(tx, caller, 'key.rotate_seal', { target, details });
        return { ok: started };
      });
      jobs.nudge();
      return job;
    },

    /** Throws `not_found` for a seal key that is not stored, and `state_conflict` for one that seals, or is about to. */
    checkOlderSealKey: (caller: Caller, id: string): Promise<void> =>
      mutate(caller, async (tx) => {
        const error = notOlderSealKey(keys.held(), id);
        return error ? await audit.refuse(tx, caller, 'key.retire', { target, error }) : { ok: undefined };
      }),

    /** Retires the older seal keys once nothing but records needs them, as the end of a rotation does. */
    retireSeals: async (caller: Caller): Promise<JobView> => {
      const job = await mutate(caller, async (tx) => {
        const { sealKeys, sealGenerations } = keys.held();
        const generation = sealGenerations.find(({ id }) => id === sealKeys.sealing.id)?.generation ?? 1;
        const started = await jobs.start(tx, caller, { kind: 'reseal', params: { generation }, cancellable: false });
        const details = { job_id: started.id, seal_key_id: sealKeys.sealing.id, generation };
        await audit.allow(tx, caller, 'key.rotate_seal', { target, details });
        return { ok: started };
      });
      jobs.nudge();
      return job;
    },

    giveUp,
  };
};

import { decide } from '../../src/access/index.ts';
import { type Eye, isConfined, isPresentIn, sees, seesScope } from './graph-rule.ts';
import type { GraphWorld } from './graph-worlds.ts';
import { factsFor, nth, type World, type WorldSecret } from './worlds.ts';

/*
 * A world without what is hidden from one sight. What is hidden and still decides about something visible is kept: a secret
 * by which two people know each other, for one.
 */

type Session = World['sessions'][number];

const isViewer = ({ viewers }: Eye, userId: string): boolean => viewers.some((one) => one.userId === userId);

/** The sessions in which any of the viewers is present; for a token that is bound to a session, that one. */
const keptSessions = (eye: Eye): Session[] => {
  const { world, caller, viewers } = eye;
  return world.base.sessions.filter((session) =>
    isConfined(caller) && viewers.length === 1
      ? session.id === caller.session
      : viewers.some((one) => isPresentIn(world.base, session, one.userId)),
  );
};

/** Those who are in a session, as far as it matters: the viewers, whom they see, and in the caller's own session everybody. */
const keptPresence = (eye: Eye, session: Session): Session['presence'] =>
  session.presence.map((presence, index) => {
    const { id } = nth(eye.world.base.users, index);
    const matters = session.id === eye.caller.session || isViewer(eye, id) || sees(eye, { kind: 'user', id });
    return isPresentIn(eye.world.base, session, id) && matters ? presence : 'never';
  });

const isListedByAny = ({ world: { base }, viewers }: Eye, secret: WorldSecret): boolean =>
  viewers.some((one) => decide(one, 'list', factsFor(base, one, secret), base.moment).allowed);

const keptSecrets = (eye: Eye): WorldSecret[] => {
  const { world, caller } = eye;
  const uses = world.uses.filter(({ id }) => sees(eye, { kind: 'use', id }));
  const used = new Set<string>(uses.map((use) => use.secretId));
  return world.base.secrets
    .filter(({ id }) => sees(eye, { kind: 'secret', id }) || used.has(id) || isSupport(eye, id))
    .map((secret) => {
      const sharedWithIds = isViewer(eye, secret.ownerId)
        ? secret.sharedWithIds
        : secret.sharedWithIds.filter((id) => id === caller.userId || isViewer(eye, id));
      return { ...secret, sharedWithIds };
    });
};

/** True for a shared secret by which a viewer may know somebody. */
const isSupport = (eye: Eye, id: string): boolean => {
  const secret = eye.world.base.secrets.find((one) => one.id === id);
  return secret?.scope === 'shared' && isListedByAny(eye, secret);
};

const keptBase = (eye: Eye): World => {
  const { base } = eye.world;
  const sessions = keptSessions(eye).map((session) => ({ ...session, presence: keptPresence(eye, session) }));
  const secrets = keptSecrets(eye);
  const needed = new Set<number>();
  for (const { owner, presence } of sessions) {
    needed.add(owner);
    for (const [index, one] of presence.entries()) if (one !== 'never') needed.add(index);
  }
  for (const { owner } of secrets) needed.add(owner);
  const kept = base.users.flatMap(({ id }, index) =>
    needed.has(index) || isViewer(eye, id) || sees(eye, { kind: 'user', id }) ? [index] : [],
  );
  const moved = new Map(kept.map((index, at) => [index, at]));
  const place = (index: number): number => moved.get(index) ?? 0;
  return {
    ...base,
    users: kept.map((index) => nth(base.users, index)),
    sessions: sessions.map((one) => ({
      ...one,
      owner: place(one.owner),
      presence: kept.map((index) => nth(one.presence, index)),
    })),
    secrets: secrets.map((one) => ({ ...one, owner: place(one.owner) })),
  };
};

export const visiblePartOf = (eye: Eye): GraphWorld => {
  const { world } = eye;
  const seesEntity = (id: string): boolean => sees(eye, { kind: 'entity', id });
  const entities = world.entities.filter(({ id }) => seesEntity(id));
  const observations = world.observations.filter((one) => seesScope(eye, one.scope) && sees(eye, one.about));
  const relations = world.relations.filter(
    (one) => seesScope(eye, one.scope) && sees(eye, one.from) && sees(eye, one.to),
  );
  const metadata = world.metadata.filter((one) => seesScope(eye, one.scope) && sees(eye, one.about));
  const inUse = new Set([...entities, ...observations, ...relations, ...metadata].map((one) => one.scope.id));
  return {
    ...{ base: keptBase(eye), entities, observations, relations, metadata },
    scopes: world.scopes.filter(({ id }) => inUse.has(id)),
    uses: world.uses
      .filter(({ id }) => sees(eye, { kind: 'use', id }))
      .map((use) => ({
        ...use,
        activityId: use.activityId !== null && seesEntity(use.activityId) ? use.activityId : null,
      })),
  };
};

import type { Act } from './stories.ts';

/* What the service promises, as simply as it can be said: no rows, no locks, no seals, and no code of the service. */

export type Presence = 'invited' | 'present' | 'left' | 'removed';

export interface SessionModel {
  owner: number;
  ended: boolean;
  readonly people: Map<number, Presence>;
  /** In which order people became present. */
  since: number[];
}

export interface SecretModel {
  owner: number;
  scope: 'user' | 'session' | 'shared';
  session: number | null;
  sharedWith: number[];
  active: boolean;
  deleted: boolean;
  purged: boolean;
  value: string;
}

export interface OfferModel {
  readonly secret: number;
  readonly from: number;
  readonly to: number;
  readonly keep: boolean;
  state: 'pending' | 'over';
}

export interface TokenModel {
  readonly owner: number;
  readonly session: number | null;
  revoked: boolean;
}

export interface Model {
  readonly sessions: SessionModel[];
  readonly secrets: SecretModel[];
  readonly offers: OfferModel[];
  readonly tokens: TokenModel[];
}

export const emptyModel = (): Model => ({ sessions: [], secrets: [], offers: [], tokens: [] });

/** What an act may answer; null where there is nothing to act on. */
export type Expected = number | readonly number[] | null;

const pick = <T>(list: readonly T[], at: number): { readonly at: number; readonly one: T } | null => {
  const index = list.length === 0 ? 0 : at % list.length;
  const one = list[index];
  return one === undefined ? null : { at: index, one };
};

export const isPresent = (session: SessionModel, who: number): boolean =>
  !session.ended && session.people.get(who) === 'present';

const enter = (session: SessionModel, who: number): void => {
  session.people.set(who, 'present');
  session.since = [...session.since.filter((one) => one !== who), who];
};

/** Naming a session by its id lets in whoever was invited and never left. */
const nameSession = (session: SessionModel, who: number): boolean => {
  if (session.ended) return false;
  if (session.people.get(who) === 'invited') enter(session, who);
  return session.people.get(who) === 'present';
};

/** Whether somebody may see the session: its owner, and those who are present or were so at its end. */
const sees = (session: SessionModel, who: number): boolean =>
  session.owner === who || session.people.get(who) === 'present';

const leave = (session: SessionModel, who: number): number | readonly number[] => {
  const state = session.people.get(who);
  if (session.owner === who && !session.ended) {
    const heirs = session.since.filter((one) => one !== who && session.people.get(one) === 'present');
    session.people.set(who, 'left');
    const [heir] = heirs;
    if (heir === undefined) session.ended = true;
    else session.owner = heir;
    return 204;
  }
  // Leaving again is harmless, whether or not there is still something to leave.
  const isThere = state === 'present' || (state === 'invited' && !session.ended);
  if (!isThere) return [204, 403];
  session.people.set(who, 'left');
  return 204;
};

/** The value that somebody gets, or the status of the refusal. `session`: the one that the request names, entered already. */
export const revealed = (model: Model, secret: SecretModel, who: number, session: number | null): string | number => {
  if (secret.purged) return 404;
  if (secret.owner === who) return secret.deleted || !secret.active ? 409 : secret.value;
  if (secret.deleted || !secret.active) return 404;
  if (secret.scope === 'shared') return secret.sharedWith.includes(who) ? secret.value : 404;
  if (secret.scope === 'user' || secret.session === null || session !== secret.session) return 404;
  const there = model.sessions[secret.session];
  return there && isPresent(there, who) && isPresent(there, secret.owner) ? secret.value : 404;
};

/** Whether somebody other than the owner can list the secret, outside of any session. */
const lists = (secret: SecretModel, who: number): boolean =>
  !secret.deleted && secret.active && secret.scope === 'shared' && secret.sharedWith.includes(who);

/** 404 to those for whom the secret does not exist, 403 to those who only have a share in it. */
const unlessOwner = (secret: SecretModel, by: number): number | null => {
  if (secret.purged) return 404;
  if (secret.owner === by) return null;
  return lists(secret, by) ? 403 : 404;
};

const sessionAct = (model: Model, act: Extract<Act, { session: number; by: number }>): Expected => {
  const found = pick(model.sessions, act.session);
  if (!found) return null;
  const { one: session, at } = found;
  const { by } = act;
  switch (act.do) {
    case 'invite': {
      if (!sees(session, by)) return 403;
      if (session.owner !== by) return 403;
      if (session.ended) return 409;
      const state = session.people.get(act.who);
      if (state === undefined) session.people.set(act.who, 'invited');
      if (state === 'removed') session.people.set(act.who, 'left');
      return 201;
    }
    case 'remove': {
      if (act.who === by) return leave(session, by);
      if (!sees(session, by)) return 403;
      if (session.owner !== by) return 403;
      session.people.set(act.who, 'removed');
      return 204;
    }
    case 'join': {
      const state = session.people.get(by);
      if (session.ended) return session.owner === by ? 409 : 403;
      if (state === undefined) return 403;
      if (state === 'removed' && session.owner !== by) return 403;
      if (state !== 'present') enter(session, by);
      return 200;
    }
    case 'name':
      return nameSession(session, by) ? 200 : 403;
    case 'leave':
      return leave(session, by);
    case 'rename':
      if (!sees(session, by)) return 403;
      if (session.owner !== by) return 403;
      return session.ended ? 409 : 200;
    case 'end':
      if (!sees(session, by)) return 403;
      if (session.owner !== by) return 403;
      session.ended = true;
      return 200;
    case 'keep': {
      if (act.scope === 'session' && !nameSession(session, by)) return 403;
      model.secrets.push({
        owner: by,
        scope: act.scope,
        session: act.scope === 'session' ? at : null,
        sharedWith: [],
        active: true,
        deleted: false,
        purged: false,
        value: `value ${model.secrets.length} of ${by}`,
      });
      return 201;
    }
    case 'token': {
      if (act.bound && !nameSession(session, by)) return 403;
      model.tokens.push({ owner: by, session: act.bound ? at : null, revoked: false });
      return 201;
    }
    case 'lend':
      return lend(model, act, at);
  }
};

const lend = (model: Model, { by, secret }: { readonly by: number; readonly secret: number }, at: number): Expected => {
  const found = pick(model.secrets, secret);
  const session = model.sessions[at];
  if (!found || !session) return null;
  const { one } = found;
  const refused = unlessOwner(one, by);
  if (refused !== null) return refused;
  if (one.deleted) return 409;
  if (!nameSession(session, by)) return 403;
  one.scope = 'session';
  one.session = at;
  one.sharedWith = [];
  return 200;
};

const secretAct = (model: Model, act: Extract<Act, { secret: number; by: number }>): Expected => {
  const found = pick(model.secrets, act.secret);
  if (!found) return null;
  const { one: secret, at } = found;
  const refused = unlessOwner(secret, act.by);
  if (refused !== null) return refused;
  switch (act.do) {
    case 'share': {
      if (secret.deleted) return 409;
      if (act.who === act.by) return 400;
      if (secret.scope === 'session') return 409;
      if (!secret.sharedWith.includes(act.who)) secret.sharedWith.push(act.who);
      secret.scope = 'shared';
      return 200;
    }
    case 'unshare': {
      if (secret.deleted) return 409;
      secret.sharedWith = secret.sharedWith.filter((one) => one !== act.who);
      if (secret.scope === 'shared' && secret.sharedWith.length === 0) secret.scope = 'user';
      return 200;
    }
    case 'set':
      if (secret.deleted) return 409;
      secret.value = `${secret.value}+`;
      return 200;
    case 'activate':
    case 'deactivate':
      secret.active = act.do === 'activate';
      return 200;
    case 'delete':
      secret.deleted = true;
      return 204;
    case 'recover':
      secret.deleted = false;
      return 200;
    case 'purge':
      secret.purged = true;
      return 204;
    case 'take out':
      if (secret.deleted) return 409;
      secret.scope = 'user';
      secret.session = null;
      secret.sharedWith = [];
      return 200;
    case 'offer': {
      if (secret.deleted || secret.scope === 'session') return 409;
      if (act.who === act.by) return 400;
      if (model.offers.some((one) => one.secret === at && one.state === 'pending')) return 409;
      model.offers.push({ secret: at, from: act.by, to: act.who, keep: act.keep, state: 'pending' });
      return 201;
    }
    case 'lend':
      return null;
  }
};

const offerAct = (model: Model, act: Extract<Act, { offer: number }>): Expected => {
  const found = pick(model.offers, act.offer);
  if (!found) return null;
  const { one: offer } = found;
  const secret = model.secrets[offer.secret];
  // An offer goes with the secret.
  if (!secret || secret.purged) return 404;
  if (act.by !== offer.from && act.by !== offer.to) return 404;
  if (offer.state !== 'pending') return 409;
  if (act.do === 'cancel') {
    offer.state = 'over';
    return 200;
  }
  if (act.by !== offer.to) return 403;
  if (secret.owner !== offer.from || secret.deleted || secret.scope === 'session') return 409;
  offer.state = 'over';
  secret.owner = offer.to;
  secret.sharedWith = offer.keep ? secret.sharedWith.filter((one) => one !== offer.to) : [];
  secret.scope = secret.sharedWith.length === 0 ? 'user' : 'shared';
  return 200;
};

/** What the act answers, by the model, which it changes. */
export const applyToModel = (model: Model, act: Act): Expected => {
  switch (act.do) {
    case 'start': {
      const people = new Map<number, Presence>(
        act.invite.filter((who) => who !== act.by).map((who) => [who, 'invited']),
      );
      people.set(act.by, 'present');
      model.sessions.push({ owner: act.by, ended: false, people, since: [act.by] });
      return 201;
    }
    case 'accept':
    case 'cancel':
      return offerAct(model, act);
    case 'revoke': {
      const found = pick(model.tokens, act.token);
      if (!found) return null;
      if (found.one.owner !== act.by) return 404;
      found.one.revoked = true;
      return 204;
    }
    case 'use token': {
      const token = pick(model.tokens, act.token);
      const secret = pick(model.secrets, act.secret);
      if (!token || !secret) return null;
      return throughToken(model, token.one, secret.one);
    }
    case 'share':
    case 'unshare':
    case 'set':
    case 'activate':
    case 'deactivate':
    case 'delete':
    case 'recover':
    case 'purge':
    case 'take out':
    case 'offer':
      return secretAct(model, act);
    default:
      return sessionAct(model, act);
  }
};

/** A token bound to a session reaches that session's secrets only, and nothing once its user is not there. */
const throughToken = (model: Model, token: TokenModel, secret: SecretModel): number => {
  if (token.revoked) return 401;
  const session = token.session === null ? null : model.sessions[token.session];
  if (session && !nameSession(session, token.owner)) return 403;
  if (token.session !== null && secret.session !== token.session) return 404;
  const answer = revealed(model, secret, token.owner, token.session);
  return typeof answer === 'string' ? 200 : answer;
};

export { pick };

import fc from 'fast-check';
import { afterAll, beforeAll, expect, it } from 'vitest';
import { startApp, type TestApp } from '../support/app.ts';
import { isFull, seed } from '../support/counts.ts';
import type { Answer } from '../support/http.ts';
import { expectStatus, logInAdmin, type Person, people, uniqueName } from '../support/people.ts';
import { type Act, anyStory } from './stories.ts';
import { applyToModel, emptyModel, isPresent, type Model, pick, revealed } from './story-model.ts';

let app: TestApp;
let persons: readonly Person[];

beforeAll(async () => {
  app = await startApp();
  const { ada, grace, linus, mary } = await people(app, await logInAdmin(app), 'ada', 'grace', 'linus', 'mary');
  persons = [ada, grace, linus, mary];
});
afterAll(() => app.close());

/** The ids of what a story has made, at the places at which the model has it. */
interface Made {
  readonly sessions: string[];
  readonly secrets: string[];
  readonly offers: string[];
  readonly tokens: { readonly id: string; readonly token: string }[];
}

const who = (at: number): Person => persons[at % persons.length] as Person;

const nothing = { name: '', type: 'password', value: '' };

/** Does the act with the service; null where there is nothing to act on. */
const perform = async (made: Made, model: Model, act: Act): Promise<Answer<any> | null> => {
  const session = 'session' in act ? pick(made.sessions, act.session)?.one : undefined;
  const secret = 'secret' in act ? pick(made.secrets, act.secret) : null;
  const offer = 'offer' in act ? pick(made.offers, act.offer)?.one : undefined;
  const send = (method: string, path: string, body?: object, options: object = {}): Promise<Answer<any>> =>
    who('by' in act ? act.by : 0).call(method, path, { ...(body === undefined ? {} : { body }), ...options });
  const onSecret = (method: string, path: string, body?: object) =>
    secret === null ? null : send(method, `/secrets/${secret.one}${path}`, body);
  const onSession = (method: string, path: string, body?: object) =>
    session === undefined ? null : send(method, `/sessions/${session}${path}`, body);
  switch (act.do) {
    case 'start': {
      const participants = act.invite.map((one) => who(one).id);
      return await send('POST', '/sessions', { participants });
    }
    case 'invite':
      return await onSession('POST', '/participants', { user_id: who(act.who).id });
    case 'remove':
      return await onSession('DELETE', `/participants/${who(act.who).id}`);
    case 'join':
      return await onSession('POST', '/join');
    case 'name':
      return session === undefined ? null : await send('GET', '/auth/me', undefined, { session });
    case 'leave':
      return await onSession('DELETE', `/participants/${who(act.by).id}`);
    case 'end':
      return await onSession('POST', '/end');
    case 'rename':
      return await onSession('PATCH', '', { title: 'renamed' });
    case 'keep': {
      if (session === undefined) return null;
      const value = `value ${model.secrets.length} of ${act.by}`;
      const place = act.scope === 'session' ? { session_id: session } : {};
      return await send('POST', '/secrets', { ...nothing, name: uniqueName(), value, scope: act.scope, ...place });
    }
    case 'share':
    case 'unshare':
      return await onSecret('POST', `/${act.do}`, { user_id: who(act.who).id });
    case 'set':
      return await onSecret('PUT', '/value', { value: `${model.secrets[secret?.at ?? 0]?.value}+` });
    case 'activate':
    case 'deactivate':
    case 'recover':
      return await onSecret('POST', `/${act.do}`);
    case 'delete':
      return await onSecret('DELETE', '');
    case 'purge':
      return await onSecret('DELETE', '?purge=true');
    case 'take out':
      return await onSecret('POST', '/transfer', { scope: 'user' });
    case 'lend':
      return session === undefined
        ? null
        : await onSecret('POST', '/transfer', { scope: 'session', session_id: session });
    case 'offer':
      return await onSecret('POST', '/handover', { to: who(act.who).id, keep_sharing: act.keep });
    case 'accept':
    case 'cancel':
      return offer === undefined ? null : await send('POST', `/handovers/${offer}/${act.do}`);
    case 'token': {
      if (session === undefined) return null;
      const bound = act.bound ? { session_id: session } : {};
      const permissions = ['secrets:list', 'secrets:reveal'];
      return await send('POST', '/auth/tokens', { name: uniqueName(), permissions, expires_in: 3600, ...bound });
    }
    case 'revoke': {
      const token = pick(made.tokens, act.token)?.one;
      return token === undefined ? null : await send('DELETE', `/auth/tokens/${token.id}`);
    }
    case 'use token': {
      const token = pick(made.tokens, act.token)?.one;
      if (token === undefined || secret === null) return null;
      return await who(0).with(token.token).call('GET', `/secrets/${secret.one}/value`);
    }
  }
};

const remember = (made: Made, act: Act, { status, body }: Answer<any>): void => {
  if (status !== 201) return;
  if (act.do === 'start') made.sessions.push(body.id);
  if (act.do === 'keep') made.secrets.push(body.id);
  if (act.do === 'offer') made.offers.push(body.id);
  if (act.do === 'token') made.tokens.push({ id: body.id, token: body.token });
};

/** What everybody gets of every secret, without a session and in each one in which they are present. */
const compareAll = async (made: Made, model: Model): Promise<void> => {
  const questions = persons.flatMap((person, by) =>
    model.secrets.flatMap((secret, at) =>
      [null, ...model.sessions.keys()]
        .filter((session) => session === null || isPresent(model.sessions[session] as never, by))
        .map((session) => ({ person, by, secret, id: made.secrets[at], session })),
    ),
  );
  for (const { person, by, secret, id, session } of questions) {
    const options = session === null ? {} : { session: made.sessions[session] as string };
    const answer = await person.call('GET', `/secrets/${id}/value`, options);
    const got = answer.status === 200 ? answer.body.value : answer.status;
    expect(got, `secret ${model.secrets.indexOf(secret)} for person ${by} in session ${session}`).toBe(
      revealed(model, secret, by, session),
    );
  }
};

const tell = async (story: readonly Act[]): Promise<void> => {
  const model = emptyModel();
  const made: Made = { sessions: [], secrets: [], offers: [], tokens: [] };
  for (const [at, act] of story.entries()) {
    const answer = await perform(made, model, act);
    const expected = applyToModel(model, act);
    const allowed = expected === null ? [null] : [expected].flat();
    expect(allowed, `act ${at}, ${JSON.stringify(act)}: ${answer?.text}`).toContain(answer?.status ?? null);
    if (answer) remember(made, act, answer);
  }
  await compareAll(made, model);
};

it('every story of people, sessions, secrets, shares, tokens and hand-overs goes as a simple model says', async () => {
  await fc.assert(fc.asyncProperty(anyStory, tell), { numRuns: isFull ? 2000 : 20, seed });
}, 1_800_000);

it('the model and the service agree on a long story that is written out', async () => {
  const story: readonly Act[] = [
    { do: 'start', by: 0, invite: [1, 2] },
    { do: 'keep', by: 0, scope: 'session', session: 0 },
    { do: 'name', by: 1, session: 0 },
    { do: 'leave', by: 1, session: 0 },
    { do: 'invite', by: 0, session: 0, who: 1 },
    { do: 'name', by: 1, session: 0 },
    { do: 'join', by: 1, session: 0 },
    { do: 'leave', by: 0, session: 0 },
    { do: 'end', by: 1, session: 0 },
    { do: 'take out', by: 0, secret: 0 },
    { do: 'share', by: 0, secret: 0, who: 3 },
  ];
  await tell(story);
  expectStatus(await who(3).call('GET', '/secrets'), 200);
});

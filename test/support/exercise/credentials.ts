import { createHmac, randomBytes } from 'node:crypto';
import { granted, type Stage } from './stage.ts';

/** The key that the external issuer of the exercised service shares with it. */
export const hs256Secret = randomBytes(32).toString('base64url');

export const externalIssuers = JSON.stringify([
  {
    issuer: 'https://external.test',
    audience: 'keyhold',
    hs256_secret: hs256Secret,
    username_claim: 'preferred_username',
    may_create_users: true,
  },
]);

const externalJwt = (claims: Record<string, unknown>, key: string): string => {
  const part = (value: unknown) => Buffer.from(JSON.stringify(value)).toString('base64url');
  const now = Math.floor(Date.now() / 1000);
  const payload = { iss: 'https://external.test', aud: 'keyhold', exp: now + 600, ...claims };
  const input = `${part({ alg: 'HS256', typ: 'JWT' })}.${part(payload)}`;
  return `${input}.${createHmac('sha256', key).update(input).digest('base64url')}`;
};

/** Tokens of the external issuer, good and bad. */
export const exerciseExternalTokens = async ({ plantToken, api, done, ada }: Stage): Promise<void> => {
  const present = (name: string, claims: Record<string, unknown>, key = hs256Secret): string => {
    const jwt = externalJwt(claims, key);
    return plantToken(name, jwt, jwt.split('.')[2] ?? '');
  };
  const token = present('external JWT', { sub: 'outsider', preferred_username: 'outsider' });
  await done('GET', '/auth/me', { token });
  for (const bad of [
    present('expired external JWT', { sub: 'late', exp: 1 }),
    present('forged external JWT', { sub: 'forged' }, 'another key'),
    present('external JWT of a taken name', { sub: 'other', preferred_username: ada.username }),
  ])
    await api('GET', '/auth/me', { token: bad });
};

/** Tokens that are used where they give nothing, or are no longer valid. */
export const exerciseTokens = async (stage: Stage): Promise<void> => {
  const { api, done, keep, ada, grace, plantToken, plantGrant } = stage;
  const { id } = await keep(ada);
  const body = { name: 'narrow', permissions: ['secrets:list'], expires_in: 600 };
  const made = await done('POST', '/auth/tokens', { token: ada.token, body, mayHold: ['kh token'] });
  const token = plantToken('kh token', made.token, made.token.slice(-40));
  await done('GET', '/secrets', { token });
  await api('GET', `/secrets/${id}/value`, { token });
  await api('GET', `/secrets/${id}/value`, { token: grace.token });
  await api('POST', '/auth/logout', { token });
  await api('GET', '/secrets', { token });
  const body2 = { refresh_token: (await stage.logIn(grace.username, grace.password)).refresh };
  plantGrant(await done('POST', '/auth/refresh', { body: body2, mayHold: granted }));
  await api('POST', '/auth/refresh', { body: body2 });
};

/** Passwords that are wrong, in the wrong place, changed and reset. */
export const exercisePasswords = async ({ api, done, makeUser, admin, secret, logIn }: Stage): Promise<void> => {
  const user = await makeUser();
  const typed = secret('mistyped password');
  const attempt = (username: string, password: string) => api('POST', '/auth/login', { body: { username, password } });
  await attempt(user.username, typed);
  await attempt(user.password, 'x');
  await attempt(secret('password for a name'), typed);
  const change = (current_password: string, new_password: string) =>
    api('POST', `/users/${user.id}/password`, { token: user.token, body: { current_password, new_password } });
  const next = secret('next password');
  await change(typed, next);
  await change(next, secret('short password').slice(0, 10));
  await change(user.password, next);
  await logIn(user.username, next);
  const reset = { token: (await admin).token, body: { new_password: secret('reset password') } };
  await done('POST', `/users/${user.id}/password`, reset);
  await api('POST', `/users/${user.id}/password`, {
    ...reset,
    body: { new_password: secret('short reset').slice(0, 8) },
  });
};

import type { Stage } from './stage.ts';

/** Requests that are well-formed and refused: by state, by name, by revision, by whose the secret is. */
export const exerciseRefusals = async ({ api, done, keep, startSession, ada, grace, secret }: Stage): Promise<void> => {
  const { token } = ada;
  const { id, name } = await keep(ada);
  const at = `/secrets/${id}`;
  const value = secret('value of a taken name');
  await api('POST', '/secrets', { token, body: { name, type: 'other', value }, operationId: 'createSecret' });
  for (const on_conflict of ['fail', 'skip', 'update']) {
    const items = [{ name, type: 'other', value: secret('imported value') }];
    await api('POST', '/secrets/import', { token, body: { items, on_conflict }, operationId: 'importSecrets' });
  }
  await api('PUT', `${at}/value`, {
    token,
    headers: { 'if-match': '"99"' },
    body: { value: secret('value for another revision') },
    operationId: 'setSecretValue',
  });
  const others: readonly (readonly [string, string, string])[] = [
    ['GET', '', 'getSecret'],
    ['GET', '/value', 'revealSecret'],
    ['GET', '/access', 'listSecretAccess'],
    ['POST', '/deactivate', 'deactivateSecret'],
    ['DELETE', '', 'deleteSecret'],
  ];
  for (const [method, suffix, operationId] of others)
    await api(method, `${at}${suffix}`, { token: grace.token, operationId });
  await api('PUT', `${at}/value`, { token: grace.token, body: { value: secret('value of somebody else’s') } });
  const names = { body: { names: [name] } };
  await api('POST', '/secrets/reveal', { token: grace.token, ...names, operationId: 'revealSecrets' });
  for (const session of [(await startSession(ada)).id, 'no-session'])
    await api('GET', '/auth/me', { token: grace.token, session, operationId: 'getMe' });
  await done('POST', `${at}/deactivate`, { token });
  await api('GET', `${at}/value`, { token, operationId: 'revealSecret' });
  await done('DELETE', at, { token });
  await api('GET', `${at}/value`, { token, operationId: 'revealSecret' });
  await api('POST', `${at}/transfer`, { token, body: { scope: 'user' }, operationId: 'transferSecret' });
};

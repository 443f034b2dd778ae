import { deafHook } from '../app.ts';
import { addressOf, documentedOperations } from '../documented.ts';
import { graph } from './graph.ts';
import { type Actor, granted, type Stage } from './stage.ts';

/** One request that succeeds. Without `by` it is ada's. */
export interface Good {
  readonly by?: Actor | 'nobody' | 'admin';
  readonly path?: Readonly<Record<string, string>>;
  readonly query?: string;
  readonly body?: unknown;
  readonly headers?: Readonly<Record<string, string>>;
  readonly mayHold?: readonly string[];
  /** Told of the answer's body. */
  readonly learn?: (body: any) => void;
}

export type Row = (stage: Stage) => Good | Promise<Good>;

const grants = ({ plantGrant }: Stage): Pick<Good, 'learn' | 'mayHold'> => ({ learn: plantGrant, mayHold: granted });

const aToken = ({ text }: Stage) => ({
  name: text('name of a token'),
  agent: 'an agent',
  permissions: ['secrets:list'],
  expires_in: 600,
});

const learnToken = ({ plantToken }: Stage): Pick<Good, 'learn' | 'mayHold'> => ({
  learn: ({ token }) => plantToken('kh token', token, token.slice(-40)),
  mayHold: ['kh token'],
});

const account: Readonly<Record<string, Row>> = {
  logIn: (stage) => ({
    by: 'nobody',
    body: { username: stage.ada.username, password: stage.ada.password },
    ...grants(stage),
  }),
  refreshTokens: async (stage) => ({
    by: 'nobody',
    body: { refresh_token: (await stage.logIn(stage.grace.username, stage.grace.password)).refresh },
    ...grants(stage),
  }),
  logOut: async ({ logIn, ada }) => ({ by: await logIn(ada.username, ada.password) }),
  getMe: () => ({}),
  listLogins: () => ({}),
  endLogin: async ({ logIn, done, ada }) => {
    await logIn(ada.username, ada.password);
    const { logins } = await done('GET', '/auth/logins', { token: ada.token });
    return { path: { id: logins.find(({ current }: { current: boolean }) => !current).id } };
  },
  createToken: (stage) => ({ body: aToken(stage), ...learnToken(stage) }),
  listTokens: () => ({}),
  revokeToken: async (stage) => {
    const { learn, mayHold = [] } = learnToken(stage);
    const made = await stage.done('POST', '/auth/tokens', { token: stage.ada.token, body: aToken(stage), mayHold });
    learn?.(made);
    return { path: { id: made.id } };
  },
};

const users: Readonly<Record<string, Row>> = {
  createUser: ({ text, secret }) => ({
    by: 'admin',
    body: {
      username: text('username'),
      password: secret('password'),
      display_name: text('display name'),
      email: `${text('email')}@example.org`,
      metadata: { of: text('metadata of a user') },
    },
  }),
  listUsers: ({ text }) => ({ query: `q=${text('search for a user')}` }),
  getUser: ({ ada }) => ({ path: { id: ada.id } }),
  updateUser: ({ ada, text }) => ({ path: { id: ada.id }, body: { display_name: text('display name') } }),
  setPassword: async ({ makeUser, secret }) => {
    const by = await makeUser();
    return { by, path: { id: by.id }, body: { current_password: by.password, new_password: secret('new password') } };
  },
  cancelPasswordReset: async ({ makeUser, done, admin, secret }) => {
    const { id } = await makeUser();
    const body = { new_password: secret('reset password') };
    await done('POST', `/users/${id}/password`, { token: (await admin).token, body });
    return { by: 'admin', path: { id } };
  },
  previewErasure: async ({ makeUser, keep, grace }) => {
    const by = await makeUser();
    await keep(by, { scope: 'shared', shared_with: [grace.id] });
    return { by, path: { id: by.id } };
  },
  eraseUser: async ({ makeUser, keep }) => {
    const by = await makeUser();
    await keep(by);
    return { by, path: { id: by.id } };
  },
};

const sessions: Readonly<Record<string, Row>> = {
  listSessions: () => ({}),
  createSession: ({ text }) => ({
    body: { title: text('title'), external_id: text('external id'), metadata: { of: text('metadata of a session') } },
  }),
  getSession: async ({ startSession, ada }) => ({ path: { id: (await startSession(ada)).id } }),
  updateSession: async ({ startSession, ada, text }) => ({
    path: { id: (await startSession(ada)).id },
    body: { title: text('title') },
  }),
  previewSessionEnd: async ({ startSession, keep, ada }) => {
    const { id } = await startSession(ada);
    await keep(ada, { scope: 'session', session_id: id });
    return { path: { id } };
  },
  addParticipant: async ({ startSession, ada, grace }) => ({
    path: { id: (await startSession(ada)).id },
    body: { username: grace.username },
  }),
  joinSession: async ({ startSession, ada, grace }) => ({
    by: grace,
    path: { id: (await startSession(ada, [grace])).id },
  }),
  removeParticipant: async ({ startSession, ada, grace }) => ({
    path: { id: (await startSession(ada, [grace])).id, user_id: grace.id },
  }),
  endSession: async ({ startSession, ada }) => ({ path: { id: (await startSession(ada)).id } }),
};

const kept: Row = async ({ keep, ada }) => ({ path: { id: (await keep(ada)).id } });

const sharedWithGrace: Row = async ({ keep, ada, grace }) => ({
  path: { id: (await keep(ada, { scope: 'shared', shared_with: [grace.id] })).id },
  body: { username: grace.username },
});

const after =
  (method: string, suffix: string): Row =>
  async ({ keep, done, ada }) => {
    const { id } = await keep(ada);
    await done(method, `/secrets/${id}${suffix}`, { token: ada.token });
    return { path: { id } };
  };

const secrets: Readonly<Record<string, Row>> = {
  listSecrets: ({ text }) => ({ query: `limit=200&q=${text('search for a secret')}&tag=${text('tag')}` }),
  listSecretTypes: () => ({}),
  getSecretStats: () => ({}),
  createSecret: ({ secret, text }) => ({
    headers: { 'idempotency-key': text('idempotency key') },
    body: {
      name: text('name of a secret'),
      type: 'other',
      value: secret('value'),
      description: text('description'),
      metadata: { of: text('metadata of a secret') },
    },
  }),
  importSecrets: ({ secret, text }) => ({
    body: {
      items: [1, 2].map(() => ({ name: text('name of a secret'), type: 'other', value: secret('imported value') })),
      on_conflict: 'rename',
    },
  }),
  getSecret: kept,
  updateSecret: async (stage) => ({
    ...(await kept(stage)),
    body: { name: stage.text('name of a secret'), description: stage.text('description'), tags: [stage.text('tag')] },
  }),
  deleteSecret: async (stage) => ({ ...(await kept(stage)), query: 'purge=true' }),
  revealSecret: async (stage) => ({ ...(await kept(stage)), mayHold: ['value'] }),
  revealSecrets: async ({ keep, ada, text }) => ({
    body: { names: [(await keep(ada)).name, text('name of no secret')] },
    mayHold: ['value'],
  }),
  setSecretValue: async (stage) => ({ ...(await kept(stage)), body: { value: stage.secret('second value') } }),
  listSecretAccess: kept,
  listSecretVersions: kept,
  restoreSecretVersion: async (stage) => {
    const { id } = await stage.keep(stage.ada);
    const body = { value: stage.secret('second value') };
    await stage.done('PUT', `/secrets/${id}/value`, { token: stage.ada.token, body });
    return { path: { id, v: '1' } };
  },
  shareSecret: async (stage) => ({ ...(await kept(stage)), body: { username: stage.grace.username } }),
  unshareSecret: sharedWithGrace,
  leaveSecret: async (stage) => {
    const { path = {} } = await sharedWithGrace(stage);
    return { by: stage.grace, path };
  },
  activateSecret: after('POST', '/deactivate'),
  deactivateSecret: kept,
  recoverSecret: after('DELETE', ''),
  transferSecret: async (stage) => ({
    ...(await kept(stage)),
    body: { scope: 'session', session_id: (await stage.startSession(stage.ada)).id },
  }),
};

const offeredToGrace = async ({ keep, done, ada, grace }: Stage): Promise<Good> => {
  const { id } = await keep(ada);
  const offer = await done('POST', `/secrets/${id}/handover`, { token: ada.token, body: { to: grace.username } });
  return { by: grace, path: { id: offer.id } };
};

const handovers: Readonly<Record<string, Row>> = {
  offerSecret: async (stage) => ({ ...(await kept(stage)), body: { to: stage.grace.username, keep_sharing: true } }),
  offerSecretsOfUser: async ({ makeUser, keep, done, admin, grace }) => {
    const user = await makeUser();
    await keep(user);
    const { token } = await admin;
    await done('PATCH', `/users/${user.id}`, { token, body: { status: 'disabled' } });
    return { by: 'admin', path: { id: user.id }, body: { to: grace.id } };
  },
  listHandovers: async (stage) => {
    await offeredToGrace(stage);
    return { by: stage.grace };
  },
  acceptHandover: offeredToGrace,
  cancelHandover: offeredToGrace,
};

const operation: Readonly<Record<string, Row>> = {
  getHealth: () => ({ by: 'nobody' }),
  getReadiness: () => ({ by: 'nobody' }),
  getJwks: () => ({ by: 'nobody' }),
  getMetrics: () => ({ by: 'admin' }),
};

const notices: Readonly<Record<string, Row>> = {
  listNotices: () => ({}),
  markNoticesRead: () => ({ body: {} }),
  streamEvents: () => ({}),
};

const aJob: Row = async ({ target }) => ({ by: 'admin', path: { id: await target.storeJob() } });

const learnSecret = ({ plantToken }: Stage): Pick<Good, 'learn' | 'mayHold'> => ({
  learn: ({ secret }) => plantToken('webhook secret', secret, secret.slice(-40)),
  mayHold: ['webhook secret'],
});

const aWebhook = async (stage: Stage): Promise<string> => {
  const { learn, mayHold = [] } = learnSecret(stage);
  const body = { url: `${deafHook}/${stage.text('path of a webhook')}` };
  const made = await stage.done('POST', '/webhooks', { token: stage.ada.token, body, mayHold });
  learn?.(made);
  return made.id;
};

const onWebhook =
  (body?: object): Row =>
  async (stage) => ({ path: { id: await aWebhook(stage) }, ...(body === undefined ? {} : { body }) });

const webhooks: Readonly<Record<string, Row>> = {
  createWebhook: (stage) => ({
    body: { url: `${deafHook}/${stage.text('path of a webhook')}`, event_types: ['secret.shared'] },
    ...learnSecret(stage),
  }),
  listWebhooks: () => ({}),
  getWebhook: onWebhook(),
  changeWebhook: async (stage) => ({
    ...(await onWebhook()(stage)),
    body: { url: `${deafHook}/${stage.text('path of a webhook')}` },
  }),
  deleteWebhook: onWebhook(),
  rotateWebhookSecret: async (stage) => ({ ...(await onWebhook({})(stage)), ...learnSecret(stage) }),
  listWebhookDeliveries: onWebhook(),
  redeliverEvent: async (stage) => {
    const id = await aWebhook(stage);
    const { id: delivery_id } = await stage.done('POST', `/webhooks/${id}/test`, { token: stage.ada.token });
    return { path: { id, delivery_id } };
  },
  testWebhook: onWebhook(),
};

const jobs: Readonly<Record<string, Row>> = { listJobs: () => ({ by: 'admin' }), getJob: aJob, cancelJob: aJob };

const byAdmin: Row = () => ({ by: 'admin' });

const keys: Readonly<Record<string, Row>> = {
  getKeys: byAdmin,
  reloadKeys: byAdmin,
  rotateRootKey: byAdmin,
  retireKey: async ({ admin, target, done }) => {
    const root_key_id = target.addRootKey();
    await done('POST', '/admin/keys/reload', { token: (await admin).token });
    return { by: 'admin', body: { root_key_id } };
  },
  rewrapOwnerKeys: byAdmin,
  reencryptValues: ({ grace }) => ({ by: 'admin', body: { user_id: grace.id } }),
  rotateSealKey: byAdmin,
};

const rows = {
  ...account,
  ...users,
  ...sessions,
  ...secrets,
  ...handovers,
  ...notices,
  ...webhooks,
  ...graph,
  ...jobs,
  ...keys,
  ...operation,
};

/** The operations that openapi.json documents and no row exercises, or the other way round; both are empty. */
export const unexercised = (): { readonly missing: string[]; readonly unknown: string[] } => {
  const ids = documentedOperations.map(({ operationId }) => operationId);
  return {
    missing: ids.filter((id) => !(id in rows)),
    unknown: Object.keys(rows).filter((id) => !ids.includes(id)),
  };
};

const tokenOf = async ({ admin, ada }: Stage, by: Good['by'] = ada): Promise<string | undefined> => {
  if (by === 'nobody') return undefined;
  return by === 'admin' ? (await admin).token : by.token;
};

/** Asks for every operation of the document once, in a way that succeeds. */
export const exerciseOperations = async (stage: Stage): Promise<void> => {
  for (const documented of documentedOperations) {
    const { operationId, method } = documented;
    const good = await (rows[operationId as keyof typeof rows] as Row | undefined)?.(stage);
    if (!good) continue;
    const address = `${addressOf(documented, good.path)}${good.query === undefined ? '' : `?${good.query}`}`;
    const token = await tokenOf(stage, good.by);
    const { body, headers = {}, mayHold = [] } = good;
    const answer = await stage.call(method, address, { token, body, headers, mayHold, operationId });
    // The service counts as ready only while its clock is the database's, which a clock that stands still is not for long.
    if (answer.status >= 300 && operationId !== 'getReadiness')
      throw new Error(`${operationId}: ${answer.status} ${answer.text}`);
    good.learn?.(answer.body);
  }
};

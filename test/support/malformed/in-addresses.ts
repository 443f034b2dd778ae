import type { Forge, Malformed } from './forge.ts';

/* Addresses and methods that are wrong. */

export const path = ({ base, pick, request, world }: Forge): Malformed => {
  const known = pick([
    `${base}/secrets/${world.secretId}`,
    `${base}/secrets`,
    `${base}/auth/me`,
    `${base}/sessions/${world.sessionId}`,
    `${base}/users/${world.userId}`,
    '/healthz',
    '/metrics',
    '/docs/json',
  ]);
  const parts = known.split('/');
  const last = parts.at(-1) ?? '';
  const before = parts.slice(0, -1).join('/');
  const target = pick([
    () => `${before}/%2e%2e/${last}`,
    () => `${before}/../${last}`,
    () => `${before}/./${last}`,
    () => `/${known}`,
    () => `${before}//${last}`,
    () => `${known}%00`,
    () => `${known}%ff`,
    () => `${known}%c0%af`,
    () => `${known}%`,
    () => `${known}%zz`,
    () => `${known}%2f`,
    () => `${known}%5c..`,
    () => `${known}\\..\\x`,
    () => `${known}%252e%252e`,
    () => `${known}/%2e%2e%2f%2e%2e%2fetc%2fpasswd`,
    () => `${known}/${'x'.repeat(pick([300, 2000, 8000]))}`,
    () => `${known}/${'%2e'.repeat(100)}`,
    () => `${known}.json`,
    () => `${known}/..;/x`,
    () => `${known};jsessionid=1`,
    () => `${known}%20`,
    () => `${known}%0d%0aX-Injected:1`,
    () => `${known}*`,
    () => `${base}/secrets/${'../'.repeat(20)}etc/passwd`,
    () => `${base}/secrets/__proto__`,
    () => `${base}/secrets/constructor/value`,
    () => `${base}/sessions/%2e%2e`,
    () => `${base}/secrets/${world.secretId}%0a`,
    () => `${base}/secrets/{${world.secretId}}`,
    () => `${base}/secrets/${world.secretId.replaceAll('-', '')}`,
    () => `http://elsewhere.example${known}/x`,
    () => '*',
    () => 'secrets',
    () => '',
    () => `${known}/é`,
    () => `/${'a/'.repeat(200)}`,
    () => `${base}/sessions/${encodeURIComponent('a b')}`,
    () => `${base}/secrets/${world.secretId}/versions/0/restore`,
  ])();
  return { what: `path ${target.slice(0, 120)}`, bytes: request({ path: target }) };
};

export const query = ({ base, pick, request }: Forge): Malformed => {
  const asked = pick([
    'limit=0',
    'limit=-1',
    'limit=201',
    'limit=1.5',
    'limit=1e2',
    'limit=0x10',
    'limit=',
    'limit=%205',
    'limit=NaN',
    'limit=true',
    'limit=1&limit=2',
    'limit[]=1',
    'limit=99999999999999999999',
    'limit=null',
    'limit=05',
    'limit=+5',
    'cursor=x',
    'cursor=',
    'cursor=%00',
    `cursor=${'x'.repeat(201)}`,
    'cursor=x&cursor=y',
    `cursor=${Buffer.from('not an id').toString('base64url')}`,
    'more=1',
    '=',
    '=1',
    'state=x',
    'state=',
    'state=live&state=live',
    'scope=all',
    'scope[]=user',
    'owner=ada',
    'type=x',
    'q=',
    `q=${'x'.repeat(257)}`,
    'q=%00',
    'q=%ff',
    'q=a&q=b',
    'q=%ed%a0%80',
    'tag=',
    `tag=${'x'.repeat(65)}`,
    'session_id=..',
    'session_id=a%20b',
    `session_id=${'x'.repeat(129)}`,
    'session_id=',
    '__proto__[admin]=1',
    '__proto__=1',
    'constructor.prototype.x=1',
    '%',
    '%zz=1',
    'limit%00=1',
    'scope=user%00',
    'SCOPE=user',
    'limit=1;scope=user',
  ]);
  return { what: `query ${asked.slice(0, 60)}`, bytes: request({ path: `${base}/secrets?${asked}` }) };
};

export const otherQuery = ({ base, pick, request, world }: Forge): Malformed => {
  const [method, target] = pick([
    ['DELETE', `/secrets/${world.secretId}?purge=yes`],
    ['DELETE', `/secrets/${world.secretId}?purge=1`],
    ['DELETE', `/secrets/${world.secretId}?purge=`],
    ['DELETE', `/secrets/${world.secretId}?purge=TRUE`],
    ['DELETE', `/secrets/${world.secretId}?purge=true&purge=false`],
    ['DELETE', `/secrets/${world.secretId}?purge=%74rue%20`],
    ['DELETE', `/secrets/${world.secretId}?force=true`],
    ['GET', `/secrets/${world.secretId}?version=1`],
    ['GET', `/secrets/${world.secretId}/value?token=x`],
    ['GET', '/users?q='],
    ['GET', `/users?q=${'x'.repeat(129)}`],
    ['GET', '/sessions?limit=1.0'],
    ['GET', '/auth/me?x'],
    ['POST', `/secrets/${world.secretId}/deactivate?really=1`],
  ] as const);
  return { what: `${method} ${target.slice(0, 80)}`, bytes: request({ method, path: base + target }) };
};

export const method = ({ base, pick, request, world }: Forge): Malformed => {
  const verb = pick([
    'TRACE',
    'PROPFIND',
    'OPTIONS',
    'HEAD',
    'PUT',
    'PATCH',
    'MKCOL',
    'LOCK',
    'SEARCH',
    'FOO',
    'get',
    'GeT',
    'GET\t',
    '',
    'POST\0',
    'CONNECT',
    'QUERY',
    'PRI',
    'x'.repeat(300),
  ]);
  const target = pick([
    `${base}/auth/me`,
    `${base}/secrets/${world.secretId}/value`,
    `${base}/secrets/types`,
    '/healthz',
  ]);
  const isOurs = verb === 'PUT' && target.endsWith('/value');
  return {
    what: `method ${verb.slice(0, 20)}`,
    bytes: request({ method: isOurs ? 'FOO' : verb, path: target }),
    mayHangUp: true,
  };
};

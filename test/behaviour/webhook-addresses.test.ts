import { afterAll, beforeAll, describe, expect, it } from 'vitest';
import { readAllowedHost } from '../../src/outbound/index.ts';
import { startApp } from '../support/app.ts';
import { expectStatus, logInAdmin } from '../support/people.ts';
import { type Receiver, startReceiver } from '../support/receiver.ts';
import { useWebhookWorld } from '../support/webhook-world.ts';
import { addWebhook, eventFor, storeWebhook, tell, untilDeliveries } from '../support/webhooks.ts';

/** What each name answers, look-up by look-up; the last answer stays. */
const names: Record<string, string[][]> = {};
let lookUps: string[] = [];

const resolveName = async (name: string): Promise<readonly string[]> => {
  lookUps.push(name);
  const answers = names[name];
  if (answers === undefined) throw Object.assign(new Error('ENOTFOUND'), { code: 'ENOTFOUND' });
  return (answers.length > 1 ? answers.shift() : answers[0]) ?? [];
};

const publicAddress = '93.184.215.14';
const world = useWebhookWorld({ resolveName, allowed: ({ port }) => `allowed.test:${port}` });

/** Forms that must not be contacted; `PORT` is where a listener waits. */
const forbidden = [
  ...['https://127.0.0.1:PORT/', 'https://127.1:PORT/', 'https://0x7f.1:PORT/', 'https://0:PORT/'],
  ...['https://2130706433:PORT/', 'https://0177.0.0.1:PORT/', 'https://[::1]:PORT/', 'https://[::]:PORT/'],
  ...['https://[::127.0.0.1]:PORT/', 'https://[::ffff:7f00:1]:PORT/', 'https://[::ffff:169.254.169.254]/'],
  ...['https://[64:ff9b::7f00:1]:PORT/', 'https://[2002:7f00:1::]:PORT/', 'https://[2001:0:7f00:1::1]/'],
  ...['https://169.254.169.254/', 'https://168.63.129.16/', 'https://100.100.100.200/', 'https://192.0.0.192/'],
  ...['https://[fd00:ec2::254]/', 'https://[fe80::1]/', 'https://[fc00::1]/', 'https://[ff02::1]/'],
  ...['https://10.0.0.1/', 'https://172.16.0.1/', 'https://192.168.0.1/', 'https://100.64.0.1/', 'https://224.0.0.1/'],
  ...['https://255.255.255.255/', 'https://private.test:PORT/', 'https://mixed.test:PORT/'],
];
const malformed = [
  ...['https://localhost.:PORT/', 'https://public.test./', 'https://user:pw@public.test/', 'https://@public.test/'],
  ...[
    'https://public.test:0/',
    'http://public.test/',
    'ftp://public.test/',
    'https:public.test',
    'https:///public.test',
  ],
  ...['https://public.test/#part', 'https://public.test/a\\b', 'https://public.test/a b', 'https://public.test/\u00e9'],
  ...['https://\uff11\uff12\uff17.0.0.1/', 'https://public.test/a%2fb', 'https://public.test/%2e%2e/a'],
  ...['https://public.test/a%5Cb', 'https://public.test/%00', 'https://public.test/?a=%00', 'https://public.test//a'],
  ...[`https://public.test/${'a'.repeat(8192)}`, 'public.test', '/hook', 'https://', 'https://public.test/\ta'],
  ...['https://*.public.test/', 'https://a..public.test/', "https://public.test'/", 'https://public.test,x/'],
];
const allowed = [
  ...['https://93.184.215.14/hook', 'https://[2606:2800:21f:cb07:6820:80da:af6b:8b2c]/', 'https://[2001:db9::1]/'],
  ...[
    'https://public.test/a/b?c=%2F',
    'https://public.test:8443/',
    'HTTPS://PUBLIC.TEST/',
    'https://not-there-yet.test/',
  ],
  'http://127.0.0.1:PORT/hook',
];

const setUpNames = (): void => {
  names['public.test'] = [[publicAddress]];
  names['private.test'] = [['127.0.0.1']];
  names['mixed.test'] = [[publicAddress, '127.0.0.1']];
  names['allowed.test'] = [['127.0.0.1']];
  lookUps = [];
};
const at = (form: string, port: number): string => form.replace('PORT', String(port));

let listener: Receiver;
beforeAll(async () => {
  listener = await startReceiver();
});
afterAll(() => listener.close());

describe('the address of a webhook', () => {
  it('every form that parsers disagree about, or that is not public, is refused when a webhook is made or changed', async () => {
    setUpNames();
    const { ada, receiver } = world;
    const kept = await addWebhook(ada, receiver.url);
    for (const form of [...forbidden, ...malformed]) {
      const body = { url: at(form, listener.port) };
      for (const answer of [
        await ada.call('POST', '/webhooks', { body }),
        await ada.call('PATCH', `/webhooks/${kept.id}`, { body }),
      ]) {
        expect([form.slice(0, 60), answer.status, answer.body.code]).toEqual([
          form.slice(0, 60),
          400,
          'invalid_request',
        ]);
        expect(answer.body.errors[0].field).toBe('url');
      }
    }
    expect(listener.connections()).toBe(0);
    expect((await ada.call('GET', '/webhooks')).body.webhooks).toHaveLength(1);
  });

  it('an operator allows hosts one by one, as names or addresses with a port, and in no other form', () => {
    const hosts = ['hooks.internal:8443', 'Hooks_2.internal:443', '10.0.0.5:80', '[::1]:9000', 'xn--mnchen-3ya:80'];
    expect(hosts.map(readAllowedHost)).toEqual(hosts.map((host) => host.toLowerCase()));
    const wide = ['*:443', '*.internal:443', '10.0.0.0/8:443', 'a;b:80'];
    const unclear = ['hooks.internal', 'hooks.internal:0', 'http://hooks.internal:80', 'hooks.internal.:80', '::1:80'];
    for (const host of [...wide, ...unclear, 'a:b@hooks.internal:80'])
      expect([host, readAllowedHost(host)]).toEqual([host, null]);
  });

  it('public addresses, names that are not known yet and allowed hosts are accepted', async () => {
    setUpNames();
    const { ada, receiver } = world;
    for (const form of allowed) {
      const made = await addWebhook(ada, at(form, receiver.port));
      const { url } = (await ada.call('GET', `/webhooks/${made.id}`)).body;
      expect(url).toBe(new URL(at(form, receiver.port)).href);
    }
  });

  it('an allowed host is exact, with its port, and does not open a metadata address', async () => {
    setUpNames();
    const { ada, receiver, other } = world;
    const refused = async (url: string) => expectStatus(await ada.call('POST', '/webhooks', { body: { url } }), 400);
    await addWebhook(ada, `http://allowed.test:${receiver.port}/`);
    await refused(`http://allowed.test:${other.port}/`);
    await refused(`https://allowed.test:${other.port}/`);
    await refused('http://allowed.test/');
    names['allowed.test'] = [['169.254.169.254']];
    await refused(`http://allowed.test:${receiver.port}/`);
    names['allowed.test'] = [['::ffff:a9fe:a9fe']];
    await refused(`https://allowed.test:${receiver.port}/`);
  });

  it('the service does not send to itself, not even where its own host is allowed', async () => {
    const free = await startReceiver();
    await free.close();
    const { port, host } = free;
    const env = {
      KEYHOLD_PORT: String(port),
      KEYHOLD_WEBHOOK_ALLOWED_HOSTS: `${host},127.0.0.2:${port},${listener.host}`,
    };
    const app = await startApp({ env });
    try {
      const admin = await logInAdmin(app);
      for (const url of [`http://127.0.0.1:${port}/`, `https://127.0.0.2:${port}/api/v1/secrets`]) {
        const { body } = expectStatus(await admin.call('POST', '/webhooks', { body: { url } }), 400);
        expect(body.errors[0].detail).toBe('must not be an address of this service.');
      }
      await addWebhook(admin, listener.url);
    } finally {
      await app.close();
    }
  });
});

describe('the address of an attempt', () => {
  it('an address that must not be contacted is not contacted by an attempt, wherever it came from', async () => {
    setUpNames();
    const { app, ada } = world;
    const before = listener.connections();
    const bad = new Map<string, { readonly id: string }>();
    for (const form of [...forbidden, 'http://public.test/', 'https://user:pw@public.test/'])
      bad.set(form, await storeWebhook(app, ada, at(form, listener.port)));
    await tell(app, eventFor([ada]));
    for (const [form, webhook] of bad) {
      const [failed] = await untilDeliveries(ada, webhook, 1, ({ attempts }) => attempts === 1);
      const { state, last_status, last_error } = failed;
      expect([form, state, last_status, last_error]).toEqual([form, 'pending', null, 'address_refused']);
    }
    expect(listener.connections()).toBe(before);
  });

  it('a name that answers another address than at its check is refused, and not contacted', async () => {
    setUpNames();
    const { app, ada } = world;
    names['rebinding.test'] = [[publicAddress], ['127.0.0.1'], ['127.0.0.1']];
    const webhook = await addWebhook(ada, `https://rebinding.test:${listener.port}/`);
    const before = listener.connections();
    await tell(app, eventFor([ada]));
    await untilDeliveries(ada, webhook, 1, ({ last_error }) => last_error === 'address_refused');
    expect(listener.connections()).toBe(before);
  });

  it('the address that was checked is the one that is contacted, and the name is looked up once', async () => {
    setUpNames();
    const { app, ada, receiver } = world;
    const webhook = await addWebhook(ada, `http://allowed.test:${receiver.port}/`);
    lookUps = [];
    // Whoever looked the name up again for connecting would reach nobody.
    names['allowed.test'] = [['127.0.0.1'], ['192.0.2.1']];
    await tell(app, eventFor([ada]));
    await untilDeliveries(ada, webhook, 1, ({ state }) => state === 'delivered');
    expect(lookUps).toEqual(['allowed.test']);
    expect(receiver.received.at(-1)?.headers.host).toBe(`allowed.test:${receiver.port}`);
  });
});

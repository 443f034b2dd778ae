import { spawnSync } from 'node:child_process';
import { readFile } from 'node:fs/promises';
import { request } from 'node:https';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { describe, expect, it } from 'vitest';
import { adminPassword } from '../support/app.ts';
import { startCommand } from '../support/command.ts';
import { until } from '../support/deadlines.ts';
import { send } from '../support/http.ts';
import { expectStatus, logInAdmin } from '../support/people.ts';
import {
  type Env,
  newDirectory,
  onService,
  settings,
  sharedDatabase,
  start,
} from '../support/shared-database-services.ts';

describe('the address of a service', () => {
  it('the service warns of an address without TLS beyond loopback, but not on loopback or behind a proxy', async () => {
    const warning = 'clients reach this address without TLS';
    expect((await start({ KEYHOLD_HOST: '0.0.0.0' })).stdout()).toContain(warning);
    expect((await start()).stdout()).not.toContain(warning);
    expect((await start({ KEYHOLD_HOST: '0.0.0.0', KEYHOLD_TRUST_PROXY: '127.0.0.1' })).stdout()).not.toContain(
      warning,
    );
  });

  it('the address of a client is taken from X-Forwarded-For only if a trusted proxy sent it', async () => {
    const ipOf = async (more: Env, header: string): Promise<string> => {
      const service = await start(more);
      const headers = { 'x-forwarded-for': header };
      const body = { username: 'admin', password: adminPassword };
      expectStatus(await send(service.url, 'POST', '/api/v1/auth/login', { headers, body }), 200);
      const { rows } = await sharedDatabase().client.query(
        `select ip from audit_log where action = 'login.create' order by id desc limit 1`,
      );
      await service.stop();
      return rows[0].ip;
    };
    expect(await ipOf({}, '192.0.2.9')).toBe('127.0.0.1');
    expect(await ipOf({ KEYHOLD_TRUST_PROXY: '192.0.2.1' }, '192.0.2.9')).toBe('127.0.0.1');
    expect(await ipOf({ KEYHOLD_TRUST_PROXY: '127.0.0.1' }, '192.0.2.9')).toBe('192.0.2.9');
    // Entries that the client itself wrote before the proxy's are ignored.
    expect(await ipOf({ KEYHOLD_TRUST_PROXY: '127.0.0.0/8' }, '198.51.100.7, 192.0.2.9')).toBe('192.0.2.9');
  });

  it('metrics are served without a token at a port of their own, and with a token only at the service’s port', async () => {
    const free = createServer().listen(0, '127.0.0.1');
    await new Promise((listening) => free.once('listening', listening));
    const { port } = free.address() as { port: number };
    await new Promise((closed) => free.close(closed));
    const service = await start({ KEYHOLD_METRICS_PORT: String(port) });
    const open = await send(`http://127.0.0.1:${port}`, 'GET', '/metrics');
    expect(expectStatus(open, 200).text).toContain('keyhold_http_request_duration_seconds');
    expect((await send(`http://127.0.0.1:${port}`, 'GET', '/api/v1/secrets')).status).toBe(404);
    expectStatus(await send(service.url, 'GET', '/metrics'), 401);
    const { token } = await logInAdmin(onService(service));
    expectStatus(await send(service.url, 'GET', '/metrics', { token }), 200);
  });
});

const mayMakeCertificate = spawnSync('openssl', ['version']).status === 0;

describe('TLS', () => {
  it.runIf(mayMakeCertificate)('the service serves TLS with a certificate, and no plain HTTP', async () => {
    const directory = await newDirectory();
    const [cert, key] = [join(directory, 'cert.pem'), join(directory, 'key.pem')];
    const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=IP:127.0.0.1'];
    const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2'];
    spawnSync('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', cert]);
    const env = settings({ KEYHOLD_TLS_CERT: cert, KEYHOLD_TLS_KEY: key });
    const command = startCommand(['serve'], { env });
    const url = (await command.prints(/^Keyhold serves (https:\S+)/m))[1] ?? '';
    const ca = await readFile(cert);
    const ask = () =>
      new Promise<{ status: number; hsts: unknown }>((resolve, reject) => {
        const asking = request(`${url}/readyz`, { ca }, (response) => {
          response.resume();
          resolve({ status: response.statusCode ?? 0, hsts: response.headers['strict-transport-security'] });
        });
        asking.once('error', reject).end();
      });
    await until('it is ready', 5000, async () => (await ask()).status === 200);
    expect((await ask()).hsts).toContain('max-age');
    await expect(fetch(`${url}/readyz`)).rejects.toThrow();
    await expect(fetch(`${url.replace('https', 'http')}/readyz`)).rejects.toThrow();
    command.signal('SIGTERM');
    expect(await command.ended).toMatchObject({ code: 0 });
  });
});

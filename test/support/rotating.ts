import { writeFile } from 'node:fs/promises';
import { expect, vi } from 'vitest';
import { generateRootKey, parseRootKey, rootKeySource } from '../../src/config/root-keys.ts';
import { type StartOptions, startApp, type TestApp } from './app.ts';
import { expectStatus, type Person } from './people.ts';

/** Root keys in a file that a test edits, and services that read it. */
export interface KeyFile {
  readonly path: string;
  /** Writes these keys to the file, the primary first. */
  write(...keys: readonly string[]): Promise<void>;
  start(options?: StartOptions): Promise<TestApp>;
}

export const keyFile = async (path: string, ...keys: readonly string[]): Promise<KeyFile> => {
  const write = (...lines: readonly string[]) => writeFile(path, `${lines.join('\n')}\n`, { mode: 0o600 });
  await write(...keys);
  return {
    path,
    write,
    start: (options) => startApp({ ...options, rootKeys: rootKeySource({ KEYHOLD_ROOT_KEY_FILE: path }, '') }),
  };
};

/** A new root key as text, with its id. */
export const newKey = (): { readonly text: string; readonly id: string } => {
  const text = generateRootKey();
  return { text, id: parseRootKey(text)?.id ?? '' };
};

export const keysOf = async (admin: Person) => expectStatus(await admin.call('GET', '/admin/keys'), 200).body;

export const rootKeyOf = async (admin: Person, id: string) => {
  const { root_keys } = await keysOf(admin);
  return root_keys.find((key: { id: string }) => key.id === id);
};

/** Waits for a job, letting time pass for those that wait for a minute. */
export const finished = async (app: TestApp, admin: Person, id: string) =>
  await vi.waitFor(
    async () => {
      app.clock.advance(5000);
      const job = expectStatus(await admin.call('GET', `/admin/jobs/${id}`), 200).body;
      expect(job.state).toBe('done');
      return job;
    },
    { timeout: 120_000, interval: 200 },
  );

/** Starts a job by a route of /admin/keys and waits for it. */
export const rotated = async (app: TestApp, admin: Person, route: string, body?: object) => {
  const started = expectStatus(await admin.call('POST', `/admin/keys/${route}`, body && { body }), 200).body;
  return await finished(app, admin, (started.job ?? started).id);
};

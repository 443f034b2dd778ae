import { join } from 'node:path';
import type { TestProject } from 'vitest/node';
import { startEmbedded } from '../../src/db/embedded/index.ts';
import { prepareSchema, serviceRole } from '../../src/db/grants.ts';
import { prepareJobs } from '../../src/db/job-schema.ts';
import { asMigrator, embeddedAccess } from '../../src/db/open.ts';
import { removeLeftovers } from './files-in-memory.ts';
import { makeTempDir } from './temp-dir.ts';

export interface Cluster {
  readonly host: string;
  readonly port: number;
  readonly superuser: { readonly user: string; readonly password: string };
  readonly migrator: { readonly user: string; readonly password: string };
  readonly service: { readonly user: string; readonly password: string };
}

declare module 'vitest' {
  interface ProvidedContext {
    cluster: Cluster;
  }
}

/** One real cluster for the whole run, with a migrated database that every test file clones in some 50 ms. */
export default async (project: TestProject): Promise<() => Promise<void>> => {
  await removeLeftovers();
  await using cleanup = new AsyncDisposableStack();
  const directory = cleanup.use(await makeTempDir());
  const server = await startEmbedded({ dataDir: join(directory.path, 'keyhold'), log: () => undefined });
  cleanup.defer(() => server.stop());
  await asMigrator(embeddedAccess(server), async (db) => {
    await prepareSchema(db, serviceRole);
    await prepareJobs(db);
  });
  const login = (role: 'superuser' | 'migrator' | 'service') => {
    const { user, password } = server.connection(role);
    return { user, password: password.expose() };
  };
  const { host, port } = server.connection('superuser');
  project.provide('cluster', {
    host,
    port,
    superuser: login('superuser'),
    migrator: login('migrator'),
    service: login('service'),
  });
  const atEnd = cleanup.move();
  return async () => {
    await atEnd.disposeAsync();
    await removeLeftovers();
  };
};

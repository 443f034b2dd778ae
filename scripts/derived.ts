// The files that are generated from the code: `--write` writes them, `--check` fails if one is not up to date.
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { startEmbedded } from '../src/db/embedded/index.ts';
import { prepareSchema, serviceRole } from '../src/db/grants.ts';
import { prepareJobs } from '../src/db/job-schema.ts';
import { asMigrator, embeddedAccess } from '../src/db/open.ts';
import { readSchemaObjects } from '../src/db/schema-objects.ts';
import { schemaSnapshot } from '../src/db/schema-snapshot.ts';
import { cliReference } from './cli-reference.ts';
import { clientTypesAreCurrent, writeClientTypes } from './client-types.ts';
import { routesOnly } from './routes-only.ts';

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const openApi = async (): Promise<string> => {
  const http = await routesOnly();
  const document = http.swagger();
  await http.close();
  return `${JSON.stringify(document, null, 2)}\n`;
};

/** Reads the schema of a database that was just migrated, on an embedded server started for this. */
const readMigrated = async (): Promise<{ readonly sql: string; readonly objects: string }> => {
  const dataDir = await mkdtemp(join(tmpdir(), 'keyhold-derived-'));
  const server = await startEmbedded({ dataDir, log: () => undefined });
  try {
    return await asMigrator(embeddedAccess(server), async (db) => {
      await prepareSchema(db, serviceRole);
      await prepareJobs(db);
      const objects = (await readSchemaObjects(db)).map((object) => `  ${JSON.stringify(object)},\n`);
      return { sql: await schemaSnapshot(db), objects: `[\n${objects.join('')}]` };
    });
  } finally {
    await server.stop();
    await rm(dataDir, { recursive: true, force: true });
  }
};

let migrated: ReturnType<typeof readMigrated> | undefined;
const schema = (): ReturnType<typeof readMigrated> => {
  migrated ??= readMigrated();
  return migrated;
};

interface Derived {
  readonly path: string;
  isCurrent(): Promise<boolean>;
  write(): Promise<void>;
}

const generated = (path: string, generate: () => Promise<string>): Derived => ({
  path,
  isCurrent: async () => (await readFile(join(root, path), 'utf8').catch(() => '')) === (await generate()),
  write: async () => await writeFile(join(root, path), await generate()),
});

/** In order: the client's types are generated from the OpenAPI document. */
const derived: readonly Derived[] = [
  generated('openapi.json', openApi),
  {
    path: 'src/client/schema.ts',
    isCurrent: async () => clientTypesAreCurrent(await openApi()),
    write: async () => writeClientTypes(await openApi()),
  },
  generated('docs/cli.md', async () => cliReference()),
  generated(
    'src/db/schema.sql',
    async () => `-- Made from the catalogues of a migrated database by "npm run derive".\n${(await schema()).sql}`,
  ),
  generated(
    'src/db/expected-schema.ts',
    async () => `// Made from the catalogues of a migrated database by "npm run derive". The doctor compares with it.
import type { SchemaObject } from './schema-objects.ts';

/** The objects of the schema as this version's migrations make them. */
export const expectedSchema: readonly SchemaObject[] = ${(await schema()).objects};
`,
  ),
];

const [mode] = process.argv.slice(2);
for (const file of derived) {
  if (mode === '--write') await file.write();
  else if (!(await file.isCurrent())) {
    console.error(`${file.path} is out of date. Run "npm run derive" and review the difference.`);
    process.exitCode = 1;
  }
}

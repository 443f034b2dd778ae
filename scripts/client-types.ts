// Generates the typed client's types from openapi.json, for `npm run derive`. The generator is installed on demand and in
// a directory of its own, since it does not install next to TypeScript 7. The check only compares two hashes.
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';

const root = join(import.meta.dirname, '..');
const tools = join(root, 'tools');
const target = join(root, 'src/client/schema.ts');
const generator = join(tools, 'node_modules/openapi-typescript/bin/cli.js');

const hash = (text: string): string => createHash('sha256').update(text).digest('hex');

/** Whether the types were generated from this OpenAPI document and have not been changed since. */
export const clientTypesAreCurrent = (openapi: string): boolean => {
  if (!existsSync(target)) return false;
  const [header = '', ...rest] = readFileSync(target, 'utf8').split('\n');
  return header === headerOf(openapi, rest.join('\n'));
};

const headerOf = (openapi: string, types: string): string =>
  `// Made by "npm run derive" from openapi.json ${hash(openapi).slice(0, 32)}; what follows is ${hash(types).slice(0, 32)}`;

const runIn = (directory: string, program: string, args: readonly string[]): string => {
  const { status, stdout, stderr } = spawnSync(program, args, { cwd: directory, encoding: 'utf8' });
  if (status !== 0) throw new Error(`${program} ${args.join(' ')} failed:\n${stderr}`);
  return stdout;
};

/** Generates src/client/schema.ts from openapi.json unless it is current. */
export const writeClientTypes = (openapi: string): void => {
  if (clientTypesAreCurrent(openapi)) return;
  if (!existsSync(generator)) runIn(tools, 'npm', ['ci', '--no-audit', '--no-fund', '--loglevel=error']);
  const types = runIn(root, process.execPath, [generator, 'openapi.json', '--default-non-nullable', 'false']);
  writeFileSync(target, `${headerOf(openapi, types)}\n${types}`);
};

import { enableCompileCache } from 'node:module';
import { fileURLToPath } from 'node:url';

// Not the shared temporary directory that Node would take, where anybody may leave something.
enableCompileCache(fileURLToPath(new URL('../node_modules/.cache/keyhold', import.meta.url)));

const { run } = await import('./cli/index.ts');

await run(process.argv.slice(2));

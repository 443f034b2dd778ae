import { appendFile, cp, mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, it } from 'vitest';
import { checkLayers } from '../../scripts/layers-check.mjs';
import { makeTempDir } from '../support/temp-dir.ts';

const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

const wrongWith = async (plant: (src: string) => Promise<void>): Promise<readonly string[]> => {
  await using copy = await makeTempDir();
  const src = join(copy.path, 'src');
  await cp(join(root, 'src'), src, { recursive: true });
  await plant(src);
  return (await checkLayers(copy.path)).wrong;
};

const appended = (file: string, line: string) => (src: string) => appendFile(join(src, file), `\n${line}\n`);

describe('the layers of the house', () => {
  it('every module keeps to the layers', async () => {
    const { modules, wrong } = await checkLayers(root);
    expect(wrong).toEqual([]);
    expect(modules).toBeGreaterThan(100);
  });

  it.each([
    ['an upward import', 'core/ids.ts', "import '../users/index.ts';", 'src/core/ids.ts imports src/users/index.ts'],
    [
      'an upward import of a type',
      'core/ids.ts',
      "import type { Db } from '../db/database.ts';\nexport type Planted = Db;",
      'src/core/ids.ts imports src/db/database.ts',
    ],
    [
      'an upward import behind a `using` declaration',
      'db/embedded/cluster.ts',
      "export const planted = async () => { await using one = await import('../../http/server.ts'); return one; };",
      'src/db/embedded/cluster.ts imports src/http/server.ts',
    ],
    [
      'a way into a domain past its front door',
      'secrets/view.ts',
      "import '../users/queries.ts';",
      'src/secrets/view.ts imports src/users/queries.ts (users is entered by its index.ts)',
    ],
  ])('the check of the layers finds %s', async (_what, file, line, sentence) => {
    const wrong = await wrongWith(appended(file, line));
    expect(wrong.join('\n')).toContain(sentence);
  });

  it('the check of the layers finds a cycle', async () => {
    const wrong = await wrongWith(async (src) => {
      await writeFile(join(src, 'core/planted.ts'), "import './ids.ts';\n");
      await appended('core/ids.ts', "import './planted.ts';")(src);
    });
    expect(wrong.join('\n')).toContain('(cycle)');
  });

  it('the check of the layers finds a folder that is not in the table', async () => {
    const wrong = await wrongWith(async (src) => {
      await mkdir(join(src, 'planted'));
      await writeFile(join(src, 'planted/index.ts'), 'export const planted = 1;\n');
    });
    expect(wrong).toContain('src/planted is not in layers.mjs');
  });
});

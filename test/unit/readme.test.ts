import { readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { variables } from '../../src/config/env.ts';

const read = (path: string) => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

const links = (text: string): string[] =>
  [...text.matchAll(/\]\(([^)#]+)(?:#[^)]*)?\)/g)].flatMap(([, target = '']) =>
    /^https?:/.test(target) ? [] : [target],
  );

describe('the README', () => {
  it('the README lists every setting with its sentence, and no other', () => {
    const rows = [...read('README.md').matchAll(/^\| `(KEYHOLD_\w+)` \| (.*) \|$/gm)].map(([, name, text]) => [
      name,
      text,
    ]);
    expect(rows).toEqual(Object.entries(variables));
  });

  it.each(['README.md', 'ARCHITECTURE.md', 'CONTRIBUTING.md', 'SECURITY.md', 'docs/operations.md'])(
    '%s links to files that are there',
    (path) => {
      const base = new URL(`../../${path}`, import.meta.url);
      const targets = links(read(path));
      expect(targets.length).toBeGreaterThan(0);
      for (const target of targets) expect(() => readFileSync(new URL(target, base)), target).not.toThrow();
    },
  );
});

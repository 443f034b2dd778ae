import { readdirSync, readFileSync } from 'node:fs';
import { describe, expect, it } from 'vitest';
import { layers } from '../../layers.mjs';

const root = new URL('../../', import.meta.url);
const read = (path: string): string => readFileSync(new URL(path, root), 'utf8');

describe('ARCHITECTURE.md', () => {
  it('ARCHITECTURE.md shows each layer with exactly the imports that layers.mjs allows', () => {
    const text = read('ARCHITECTURE.md');
    const base = /\*base\* stands for ([\w, ]+)\./.exec(text)?.[1] ?? '';
    const section = /## Layers\n(.*?)\n## /s.exec(text)?.[1] ?? '';
    const rows = [...section.matchAll(/^\| `([\w.]+)` \| .* \| ([^|]+) \|$/gm)].map(([, name, allowed = '']) => [
      name,
      allowed === '–'
        ? []
        : allowed
            .replace(/\bbase\b/, base)
            .split(', ')
            .sort(),
    ]);
    const expected = Object.entries(layers).map(([name, allowed]) => [name, [...allowed].sort()]);
    expect(new Map(rows as [string, string[]][])).toEqual(new Map(expected as [string, string[]][]));
  });
});

describe('the decisions', () => {
  const files = readdirSync(new URL('docs/decisions/', root)).filter((name) => /^\d{4}-/.test(name));

  it('the index of decisions lists every decision with its title, date and status', () => {
    const rows = [...read('docs/decisions/README.md').matchAll(/^\| \[(\d+)\]\((.+)\) \| (.+) \| (.+) \| (.+) \|$/gm)];
    const listed = rows.map(([, number, file, title, date, status]) => [file, `${number}. ${title}`, date, status]);
    const found = files.map((file) => {
      const text = read(`docs/decisions/${file}`);
      const [, title] = /^# (.+)$/m.exec(text) ?? [];
      const [, date, status] = /^Date: (\d{4}-\d\d-\d\d.*)\. Status: (.+)\.$/m.exec(text) ?? [];
      return [file, title, date, status];
    });
    expect(listed).toEqual(found);
  });
});

const documents = [
  ...readdirSync(root),
  ...readdirSync(new URL('docs/', root), { recursive: true, encoding: 'utf8' }).map((path) => `docs/${path}`),
].filter((path) => path.endsWith('.md'));

describe('the documents', () => {
  it.each(documents)('%s links to files that exist and to headings that they have', (path) => {
    const headingsOf = (text: string): string[] =>
      [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
        heading
          .toLowerCase()
          .replace(/[^\w\- ]/g, '')
          .replaceAll(' ', '-'),
      );
    for (const [, target = ''] of read(path).matchAll(/\]\(([^)]+)\)/g)) {
      if (/^https?:/.test(target)) continue;
      const [file = '', heading] = target.split('#');
      const url = file === '' ? new URL(path, root) : new URL(file, new URL(path, root));
      const text = readFileSync(url, 'utf8');
      if (heading !== undefined) expect(headingsOf(text), target).toContain(heading);
    }
  });
});

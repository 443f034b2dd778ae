import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { expect, it } from 'vitest';
import { startService } from '../support/process.ts';
import { makeTempDir } from '../support/temp-dir.ts';

interface Step {
  readonly lines: readonly string[];
  /** What is printed, with `…` for what is different each time; null where the README shows nothing. */
  readonly printed: string | null;
}

const readme = readFileSync(new URL('../../README.md', import.meta.url), 'utf8');
const tour = /## Five-minute tour\n(.*?)\n## /s.exec(readme)?.[1] ?? '';

const blocks = [...tour.matchAll(/```(bash|text)\n(.*?)```/gs)].map(([, kind, text = '']) => ({ kind, text }));

const steps: readonly Step[] = blocks.flatMap(({ kind, text }, at) => {
  if (kind !== 'bash') return [];
  const next = blocks[at + 1];
  return [{ lines: text.trimEnd().split('\n'), printed: next?.kind === 'text' ? next.text : null }];
});

const asPattern = (text: string): RegExp =>
  new RegExp(`^${text.trimEnd().split('…').map(RegExp.escape).join('[^"]+')}$`);

/** A bash that nobody has configured, into which lines are pasted one by one. */
const freshBash = () => {
  const bash = spawn('bash', ['--noprofile', '--norc'], {
    env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent' },
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  bash.stdin.write('exec 2>&1\n');
  const lines = createInterface({ input: bash.stdout })[Symbol.asyncIterator]();
  const paste = async (line: string): Promise<string[]> => {
    bash.stdin.write(`${line}\necho "[done]"\n`);
    const printed: string[] = [];
    for (let next = await lines.next(); !next.done && next.value !== '[done]'; next = await lines.next()) {
      printed.push(next.value);
    }
    return printed;
  };
  return { paste, [Symbol.dispose]: () => bash.kill() };
};

it('the tour of the README works as printed, pasted line by line', async () => {
  await using dir = await makeTempDir();
  const [start, ...rest] = steps;
  const password = /^KEYHOLD_BOOTSTRAP_PASSWORD='(.*)' npm start$/.exec(start?.lines[0] ?? '')?.[1] ?? '';
  const service = await startService({
    env: {
      KEYHOLD_DATA_DIR: `${dir.path}/data`,
      KEYHOLD_CONFIG_DIR: `${dir.path}/config`,
      KEYHOLD_BOOTSTRAP_PASSWORD: password,
    },
  });
  try {
    using bash = freshBash();
    expect(rest.filter(({ printed }) => printed !== null).length).toBeGreaterThan(6);
    for (const { lines, printed } of rest) {
      const output: string[] = [];
      for (const line of lines)
        output.push(...(await bash.paste(line.replaceAll('http://127.0.0.1:8420', service.url))));
      expect(output.join('\n').trimEnd()).toMatch(asPattern(printed ?? ''));
    }
  } finally {
    await service.stop();
  }
});

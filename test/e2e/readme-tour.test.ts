import { readFileSync } from 'node:fs';
import { stripVTControlCharacters } from 'node:util';
import { expect, it } from 'vitest';
import { isFull } from '../support/counts.ts';
import { openTerminal } from '../support/keyhold-cli.ts';
import { startService } from '../support/process.ts';
import { makeTempDir } from '../support/temp-dir.ts';

interface Step {
  readonly lines: readonly string[];
  /** What is printed, with `…` for what is different each time; empty where the document shows nothing. */
  readonly printed: string;
}

const stepsOf = (tour: string): readonly Step[] => {
  const blocks = [...tour.matchAll(/```(bash|text)\n(.*?)```/gs)].map(([, kind, text = '']) => ({ kind, text }));
  return blocks.flatMap(({ kind, text }, at) => {
    if (kind !== 'bash') return [];
    const next = blocks[at + 1];
    return [{ lines: text.trimEnd().split('\n'), printed: next?.kind === 'text' ? next.text : '' }];
  });
};

const read = (path: string): string => readFileSync(new URL(`../../${path}`, import.meta.url), 'utf8');

const asPattern = (text: string): RegExp =>
  new RegExp(`^${text.trimEnd().split('…').map(RegExp.escape).join('[^"\\n]+')}$`);

/** A bash in a terminal that nobody has configured, into which lines are pasted one by one. */
const freshBash = async (env: Readonly<Record<string, string>>) => {
  const terminal = openTerminal('bash', ['--noprofile', '--norc', '--noediting'], env);
  let pasted = 0;
  const paste = async (line: string): Promise<string> => {
    pasted += 1;
    const before = terminal.shown().length;
    terminal.type(`${line}\n`);
    terminal.type(`echo "[done" "${pasted}]"\n`);
    await terminal.shows(`[done ${pasted}]`);
    const printed = stripVTControlCharacters(terminal.shown().slice(before)).replaceAll('\r\n', '\n');
    return printed.slice(0, printed.lastIndexOf(`[done ${pasted}]`)).trimEnd();
  };
  await paste("PS1=''; PS2=''; stty -echo");
  const leave = async (): Promise<void> => {
    terminal.type('exit\n');
    await terminal.ended;
  };
  return { paste, [Symbol.asyncDispose]: leave };
};

const tours: readonly [string, string][] = [
  ['README.md', /## Five-minute tour\n(.*?)\n## /s.exec(read('README.md'))?.[1] ?? ''],
  ['docs/http-tour.md', read('docs/http-tour.md')],
  ['docs/graph.md', read('docs/graph.md')],
];

/** The README's own, and all in the soak. */
const sampledTours = isFull ? tours : tours.slice(0, 1);

it.each(sampledTours)('the tour of %s works as printed, pasted line by line', async (_path, tour) => {
  await using dir = await makeTempDir();
  const [start, ...rest] = stepsOf(tour);
  const [, password] = /^(?:KEYHOLD_BOOTSTRAP_PASSWORD='(.*)' )?npm start$/.exec(start?.lines[0] ?? '') ?? [];
  const places = { KEYHOLD_DATA_DIR: `${dir.path}/data`, KEYHOLD_CONFIG_DIR: `${dir.path}/config` };
  const service = await startService({
    env: { ...places, ...(password === undefined ? {} : { KEYHOLD_BOOTSTRAP_PASSWORD: password }) },
  });
  try {
    await using bash = await freshBash({ ...places, HOME: dir.path, XDG_CONFIG_HOME: `${dir.path}/home` });
    expect(rest.filter(({ printed }) => printed !== '').length).toBeGreaterThan(5);
    for (const { lines, printed } of rest) {
      const output: string[] = [];
      for (const line of lines) output.push(await bash.paste(line.replaceAll('http://127.0.0.1:8420', service.url)));
      const shown = output.filter((text) => text !== '').join('\n');
      expect(shown.replaceAll(service.url, 'http://127.0.0.1:8420')).toMatch(asPattern(printed.replace(/\n\n/g, '\n')));
    }
  } finally {
    await service.stop();
  }
});

import { spawnSync } from 'node:child_process';
import { mkdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { openTerminal } from './keyhold-cli.ts';
import { keyholdBin } from './keyhold-process.ts';

export type ShellName = 'bash' | 'zsh' | 'fish';

export const isInstalled = (shell: ShellName): boolean => spawnSync(shell, ['--version']).error === undefined;

interface Setup {
  readonly args: readonly string[];
  /** Loads the completion, and makes Ctrl-X p write the line that is being edited into the file. */
  readonly lines: (file: string) => readonly string[];
}

const setups: Readonly<Record<ShellName, Setup>> = {
  bash: {
    args: ['--noprofile', '--norc', '-i'],
    lines: (file) => [
      "bind 'set enable-bracketed-paste off'",
      'source <(keyhold completion bash)',
      `bind -x '"\\C-xp": printf %s "$READLINE_LINE" > ${file}'`,
    ],
  },
  zsh: {
    args: ['-f', '-i'],
    lines: (file) => [
      'unset zle_bracketed_paste; setopt no_list_ambiguous',
      'autoload -Uz compinit; compinit -u -D',
      'source <(keyhold completion zsh)',
      `show-line() { print -rn -- "$BUFFER" > ${file} }; zle -N show-line; bindkey '^Xp' show-line`,
    ],
  },
  fish: {
    args: ['--no-config', '-i'],
    lines: (file) => ['keyhold completion fish | source', `bind \\cxp 'commandline > ${file}'`],
  },
};

/** A real shell in a terminal, in a directory of its own, with the completion of keyhold loaded. */
export interface CompletingShell extends AsyncDisposable {
  readonly directory: string;
  /** The line after Tab was pressed behind this text, once it begins with `until`. */
  complete(text: string, until?: string): Promise<string>;
  /** Presses Tab behind this text and resolves to everything that the terminal shows by then. */
  listing(text: string, until: string): Promise<string>;
}

/** Starts the shell. `env` says who is at the command line. */
export const startCompletingShell = async (
  shell: ShellName,
  parent: string,
  env: Readonly<Record<string, string>>,
): Promise<CompletingShell> => {
  const directory = join(parent, shell);
  const bin = join(directory, 'bin');
  await mkdir(bin, { recursive: true });
  await symlink(keyholdBin, join(bin, 'keyhold'));
  const file = join(directory, 'line');
  const terminal = openTerminal(
    '/bin/sh',
    ['-c', `cd '${directory}' && exec ${[shell, ...setups[shell].args].join(' ')}`],
    {
      ...env,
      HOME: directory,
      ZDOTDIR: directory,
      PATH: `${bin}:${join(process.execPath, '..')}:${process.env['PATH']}`,
    },
  );
  for (const line of setups[shell].lines(file)) terminal.type(`${line}\n`);
  terminal.type('echo "[rea""dy]"\n');
  await terminal.shows('[ready]');

  const line = async (): Promise<string> => {
    await writeFile(file, '');
    terminal.type('\u0018p');
    await expect.poll(() => readFile(file, 'utf8'), { timeout: 20_000 }).not.toBe('');
    return (await readFile(file, 'utf8')).replace(/\n$/, '');
  };
  const clear = (): void => terminal.type('\u0005\u0015');

  return {
    directory,
    complete: async (text, until = text) => {
      terminal.type(`${text}\t`);
      try {
        await expect.poll(line, { timeout: 20_000 }).toMatch(startsWith(until));
        return (await line()).trimEnd();
      } finally {
        clear();
      }
    },
    listing: async (text, until) => {
      const before = terminal.shown().length;
      terminal.type(`${text}\t\t`);
      await expect.poll(() => terminal.shown().slice(before), { timeout: 20_000 }).toContain(until);
      clear();
      return terminal.shown().slice(before);
    },
    [Symbol.asyncDispose]: async () => {
      clear();
      terminal.type('exit\n');
      await terminal.ended;
    },
  };
};

const startsWith = (text: string): RegExp => new RegExp(`^${RegExp.escape(text)}`);

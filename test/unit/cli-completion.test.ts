import { describe, expect, it } from 'vitest';
import { type Candidate, candidatesAt } from '../../src/cli/completion/candidates.ts';
import { positionIn } from '../../src/cli/completion/position.ts';
import { createContext } from '../../src/cli/context.ts';
import { createProgram } from '../../src/cli/program.ts';

const program = await createProgram(createContext().context, () => undefined);

/** Each source offers names that tell it from the others. */
const names: Readonly<Record<string, readonly string[]>> = {
  secrets: ['STRIPE_KEY', 'STRIPE_TEST', 'DB_URL'],
  'deleted-secrets': ['OLD_KEY'],
  sessions: ['chat-1', 'chat:42'],
  users: ['ada', 'grace'],
  profiles: ['default', 'work'],
  permissions: ['secrets:list', 'secrets:reveal'],
};

const completed = async (line: string) => {
  const { position, options } = positionIn(program, line.split(' ').slice(1));
  const found = await candidatesAt(position, async (source) =>
    (names[source] ?? []).map((word): Candidate => ({ word, description: '' })),
  );
  return { words: found === 'files' ? found : found.map(({ word }) => word), options };
};

describe('completion of a command line', () => {
  it.each([
    ['keyhold un', ['unshare']],
    ['keyhold session st', ['start']],
    ['keyhold --profile work session le', ['leave']],
    ['keyhold --json session le', ['leave']],
    ['keyhold no-such-command ', []],
  ])('"%s" is completed with the commands that begin so', async (line, expected) => {
    expect((await completed(line)).words).toEqual(expected);
  });

  it('an empty word is completed with every command and no option', async () => {
    const { words } = await completed('keyhold ');
    expect(words).toEqual(program.commands.map((command) => command.name()));
    expect((await completed('keyhold session ')).words).toContain('start');
  });

  it.each([
    ['keyhold set --ty', ['--type']],
    ['keyhold set NAME --gen', ['--generate']],
    ['keyhold ls --js', ['--json']],
    ['keyhold rm --he', ['--help']],
    ['keyhold set -- --gen', []],
  ])('"%s" is completed with the options of that command', async (line, expected) => {
    expect((await completed(line)).words).toEqual(expected);
  });

  it.each([
    ['keyhold set --type ssh', ['ssh_key']],
    ['keyhold set --type=ssh', ['--type=ssh_key']],
    ['keyhold ls --state del', ['deleted']],
    ['keyhold ls --scope ', ['user', 'session', 'shared']],
    ['keyhold ls --owner o', ['others']],
    ['keyhold set X --exposure r', ['reveal']],
    ['keyhold import --on-conflict u', ['update']],
    ['keyhold completion z', ['zsh']],
    ['keyhold set --length ', []],
  ])('"%s" is completed with the values of the option', async (line, expected) => {
    expect((await completed(line)).words).toEqual(expected);
  });

  it.each([
    ['keyhold get STR', ['STRIPE_KEY', 'STRIPE_TEST']],
    ['keyhold get --field id D', ['DB_URL']],
    ['keyhold get -- D', ['DB_URL']],
    ['keyhold recover ', ['OLD_KEY']],
    ['keyhold run --only DB_URL,STRIPE_K', ['DB_URL,STRIPE_KEY']],
    ['keyhold export --only=D', ['--only=DB_URL']],
    ['keyhold session show chat', ['chat-1', 'chat:42']],
    ['keyhold ls --session chat:', ['chat:42']],
    ['keyhold transfer X --to-session chat-', ['chat-1']],
    ['keyhold share STRIPE_KEY g', ['grace']],
    ['keyhold session add chat-1 ada g', ['grace']],
    ['keyhold session start --with a', ['ada']],
    ['keyhold profile use w', ['work']],
    ['keyhold ls --profile d', ['default']],
    ['keyhold token create X --permission secrets:list,secrets:r', ['secrets:list,secrets:reveal']],
    ['keyhold get STRIPE_KEY ', []],
    ['keyhold token create ', []],
  ])('"%s" is completed with names', async (line, expected) => {
    expect((await completed(line)).words).toEqual(expected);
  });

  it.each([
    'keyhold import ',
    'keyhold export ./o',
    'keyhold set X --file ',
    'keyhold import --key=',
    'keyhold run ',
    'keyhold run -- un',
    'keyhold run make --js',
  ])('"%s" is left to the shell, which knows files and programs', async (line) => {
    expect((await completed(line)).words).toBe('files');
  });

  it('names are read with the profile and session that the line names', async () => {
    expect((await completed('keyhold --profile work get --session chat-1 ')).options).toEqual({
      profile: 'work',
      session: 'chat-1',
    });
    expect((await completed('keyhold get --session=chat-1 S')).options).toEqual({ session: 'chat-1' });
  });

  it('a name that would control the terminal, break the lines or look like an option is not offered', async () => {
    const { position } = positionIn(program, ['share', 'X', '']);
    const words = ['a\nb', 'a\tb', '\u001b[31m', '--yes', '', 'ada'];
    const found = await candidatesAt(position, async () => words.map((word) => ({ word, description: '' })));
    expect(found).toEqual([{ word: 'ada', description: '' }]);
  });
});

import type { Command } from 'commander';
import { describe, expect, it } from 'vitest';
import { createContext } from '../../src/cli/context.ts';
import { createProgram } from '../../src/cli/program.ts';

const { context } = createContext();
const programOf = (args?: readonly string[]) => createProgram(context, () => undefined, args);
const program = await programOf();

const all = (command: Command, path: readonly string[] = []): [string, Command][] => [
  [path.join(' '), command],
  ...command.commands.flatMap((child) => all(child, [...path, child.name()])),
];
const commands = all(program).filter(([, command]) => command.commands.length === 0);

const helpOf = (command: Command): string => {
  let text = '';
  command.configureOutput({
    writeOut: (part) => {
      text += part;
    },
  });
  command.outputHelp();
  return text;
};

describe('the commands', () => {
  it('a command is found by its name without loading the others', async () => {
    for (const command of program.commands) {
      const alone = await programOf([command.name(), '--json']);
      const found = alone.commands.find((one) => one.name() === command.name());
      expect(found && helpOf(found)).toBe(helpOf(command));
      expect(alone.commands.length < program.commands.length, command.name()).toBe(command.name() !== 'help');
    }
  });

  it.each(commands)(
    '%s has help with an example of itself, and takes no value by a misread option',
    (path, command) => {
      const examples = helpOf(command).split('Examples:\n')[1] ?? '';
      expect(examples).toContain(`keyhold ${path}`);
      // A variadic option would swallow the arguments that follow it.
      expect(command.options.filter((option) => option.variadic)).toEqual([]);
    },
  );
});

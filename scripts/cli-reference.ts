// Generates docs/cli.md from the commands. `npm run derive` writes it.
import type { Argument, Command, Help, Option } from 'commander';
import { createContext } from '../src/cli/context.ts';
import { cliVariables } from '../src/cli/env.ts';
import { exitCodeMeanings, exitCodes } from '../src/cli/exit-codes.ts';
import { createProgram, everywhere } from '../src/cli/program.ts';

const cell = (text: string): string => text.replaceAll('|', '\\|').replaceAll('\n', ' ');

const table = (headings: readonly string[], rows: readonly (readonly string[])[]): string =>
  [headings, headings.map(() => '---'), ...rows].map((row) => `| ${row.map(cell).join(' | ')} |`).join('\n');

const optionRow = (help: Help, option: Option): string[] => [`\`${option.flags}\``, help.optionDescription(option)];

const argumentRow = (help: Help, argument: Argument): string[] => [
  `\`${argument.required ? `<${argument.name()}>` : `[${argument.name()}]`}\``,
  help.argumentDescription(argument),
];

/** The text below a command's help: remarks, then examples. */
const afterHelp = (command: Command): { remarks: string; examples: string } => {
  const printed: string[] = [];
  command.configureOutput({ writeOut: (text) => void printed.push(text) });
  command.outputHelp();
  const whole = printed.join('');
  // The text below every command is printed once, at the top of the reference.
  const text = whole.slice(command.helpInformation().length).replace(everywhere, '').trim();
  const [remarks = '', ...examples] = text.split(/^Examples:\n/m);
  const shown = examples.join('').split('\n\n')[0] ?? '';
  const rest = examples.join('').split('\n\n').slice(1).join('\n\n');
  return { remarks: [remarks.trim(), rest.trim()].filter((part) => part !== '').join('\n\n'), examples: dedent(shown) };
};

const dedent = (text: string): string =>
  text
    .split('\n')
    .map((line) => line.replace(/^ {2}/, ''))
    .join('\n')
    .trimEnd();

const sentence = (text: string): string => {
  const [first = '', ...rest] = text;
  const whole = `${first.toUpperCase()}${rest.join('')}`;
  return /[.!?]$/.test(whole) ? whole : `${whole}.`;
};

const section = (command: Command, path: string): string => {
  const help = command.createHelp();
  const { remarks, examples } = afterHelp(command);
  const options = help.visibleOptions(command).filter((option) => option.long !== '--help');
  const named = help.visibleArguments(command).filter((argument) => help.argumentDescription(argument) !== '');
  return [
    `### \`${path}\``,
    sentence(command.description()),
    `\`\`\`text\n${path} ${command.usage()}\n\`\`\``,
    named.length === 0
      ? ''
      : table(
          ['Argument', ''],
          named.map((one) => argumentRow(help, one)),
        ),
    options.length === 0
      ? ''
      : table(
          ['Option', ''],
          options.map((one) => optionRow(help, one)),
        ),
    remarks,
    examples === '' ? '' : `\`\`\`sh\n${examples}\n\`\`\``,
  ]
    .filter((part) => part !== '')
    .join('\n\n');
};

const leaves = (command: Command, path: string): string[] =>
  command.commands.length === 0
    ? [section(command, path)]
    : command.commands.flatMap((child) => leaves(child, `${path} ${child.name()}`));

const groupsOf = (program: Command): Map<string, Command[]> => {
  const groups = new Map<string, Command[]>();
  for (const command of program.commands) {
    const heading = command.helpGroup().replace(/:$/, '');
    groups.set(heading, [...(groups.get(heading) ?? []), command]);
  }
  return groups;
};

const introduction = `# The command line

Made from \`keyhold --help\` by \`npm run derive\`. In a checkout \`keyhold\` is \`npx keyhold\`.

Data goes to stdout, everything else to stderr. On a terminal lists have headings; elsewhere they are tab-separated and
without. A secret is named by its name or id, or by \`owner/NAME\`. A bare name means the session's secret, then your own,
then one shared with you. A value is never taken from an argument; only \`get\`, \`edit\`, \`export\` and the command of \`run\` are given one.`;

/** The whole reference. */
export const cliReference = async (): Promise<string> => {
  const program = await createProgram(createContext().context, () => undefined);
  const help = program.createHelp();
  const globals = help.visibleOptions(program).map((option) => optionRow(help, option));
  const codes = Object.entries(exitCodes).map(([name, code]) => [
    String(code),
    exitCodeMeanings[name as keyof typeof exitCodes],
  ]);
  const groups = [...groupsOf(program)].map(
    ([heading, commands]) =>
      `## ${heading}\n\n${commands.flatMap((command) => leaves(command, `keyhold ${command.name()}`)).join('\n\n')}`,
  );
  return `${[
    introduction,
    `## Options of every command\n\n${table(['Option', ''], globals)}`,
    ...groups,
    `## Environment\n\n${table(
      ['Variable', ''],
      Object.entries(cliVariables).map(([name, text]) => [`\`${name}\``, text]),
    )}`,
    `## Exit codes\n\n${table(['Code', 'Meaning'], codes)}\n\n\`keyhold run\` ends as its command ended.`,
  ].join('\n\n')}\n`;
};

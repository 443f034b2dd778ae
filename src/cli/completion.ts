import type { Command, Option } from 'commander';

/** One command as a shell completes it: its words after `keyhold`, and what may follow. */
interface Node {
  readonly path: readonly string[];
  readonly children: readonly { readonly name: string; readonly description: string }[];
  readonly options: readonly Option[];
}

const nodesOf = (command: Command, path: readonly string[] = []): Node[] => [
  {
    path,
    children: command.commands.map((child) => ({ name: child.name(), description: summaryOf(child) })),
    options: command.options,
  },
  ...command.commands.flatMap((child) => nodesOf(child, [...path, child.name()])),
];

const summaryOf = (command: Command): string => command.summary() || command.description();

const flagsOf = ({ options }: Node): string[] => [
  ...options.flatMap(({ short, long }) => [short, long].filter((flag) => flag !== undefined)),
  '--help',
];

const quoted = (text: string): string => `'${text.replaceAll("'", `'\\''`)}'`;

const joined = (path: readonly string[]): string => path.join(' ');

/** Options whose value is one of a few words, by the option. */
const choicesOf = (node: Node): { flags: string[]; choices: readonly string[] }[] =>
  node.options.flatMap(({ short, long, argChoices }) =>
    argChoices ? [{ flags: [short, long].filter((flag) => flag !== undefined), choices: argChoices }] : [],
  );

const takesValue = ({ required, optional }: Option): boolean => required || optional;

const bashChoices = (node: Node): string[] =>
  choicesOf(node).map(
    ({ flags, choices }) =>
      `    ${flags.map((flag) => quoted(`${joined(node.path)}:${flag}`)).join('|')}) words=${quoted(choices.join(' '))} ;;`,
  );

const filesAfter = (nodes: readonly Node[]): string =>
  [...new Set(nodes.flatMap((node) => node.options.filter(({ flags }) => /<(path|file)>/.test(flags))))]
    .flatMap(({ short, long }) => [short, long])
    .filter((flag) => flag !== undefined)
    .filter((flag, at, all) => all.indexOf(flag) === at)
    .join('|');

/** Finds which command stands on the line; options with values are stepped over. */
const bashWalk = (nodes: readonly Node[]): string => {
  const valued = new Set(
    nodes.flatMap((node) => node.options.filter(takesValue).flatMap(({ short, long }) => [short, long])),
  );
  const flags = [...valued].filter((flag) => flag !== undefined).join('|');
  const paths = nodes.filter(({ path }) => path.length > 0).map(({ path }) => quoted(joined(path)));
  return `  local word at='' skip='' next
  for word in "\${words_before[@]}"; do
    if [[ -n $skip ]]; then skip=''; continue; fi
    case "$word" in
      ${flags}) skip=1; continue ;;
      --) return 0 ;;
      -*) continue ;;
    esac
    next="\${at:+$at }$word"
    case "$next" in
      ${paths.join('|')}) at="$next" ;;
    esac
  done`;
};

const bashBody = (nodes: readonly Node[]): string => `${bashWalk(nodes)}
  local words=''
  case "$at:$previous" in
${nodes.flatMap(bashChoices).join('\n')}
    *:${filesAfter(nodes).replaceAll('|', '|*:')}) compopt -o default 2>/dev/null; return 0 ;;
    *) case "$at" in
${nodes
  .map((node) => {
    const names = node.children.map(({ name }) => name);
    return `      ${quoted(joined(node.path))}) words=${quoted([...names, ...flagsOf(node)].join(' '))} ;;`;
  })
  .join('\n')}
    esac ;;
  esac`;

const bash = (nodes: readonly Node[]): string => `# bash completion of keyhold; made by "keyhold completion bash"
_keyhold() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD-1]}"
  local words_before=("\${COMP_WORDS[@]:1:COMP_CWORD-1}")
${bashBody(nodes)}
  # Options come up once one is begun, so that commands are easy to see.
  COMPREPLY=()
  local candidate
  for candidate in $words; do
    if [[ $candidate == -* && $current != -* ]]; then continue; fi
    if [[ $candidate == "$current"* ]]; then COMPREPLY+=("$candidate"); fi
  done
}
complete -o bashdefault -o default -F _keyhold keyhold
`;

const zshDescribed = (name: string, description: string): string =>
  quoted(`${name.replaceAll(':', '\\:')}:${description.replaceAll(':', '\\:')}`);

const zshNode = (node: Node): string => {
  const options = node.options.flatMap(({ short, long, description }) =>
    [short, long].filter((flag) => flag !== undefined).map((flag) => zshDescribed(flag, description)),
  );
  const children = node.children.map(({ name, description }) => zshDescribed(name, description));
  return `    ${quoted(joined(node.path))})
      commands=(${children.join(' ')})
      options=(${[...options, zshDescribed('--help', 'show how')].join(' ')}) ;;`;
};

const zshChoices = (node: Node): string[] =>
  choicesOf(node).map(
    ({ flags, choices }) =>
      `    ${flags.map((flag) => quoted(`${joined(node.path)}:${flag}`)).join('|')}) compadd -- ${choices.join(' ')}; return ;;`,
  );

const zsh = (nodes: readonly Node[]): string => `#compdef keyhold
# zsh completion of keyhold; made by "keyhold completion zsh"
_keyhold() {
  local current="\${words[CURRENT]}" previous="\${words[CURRENT-1]}"
  local -a words_before commands options
  words_before=("\${(@)words[2,CURRENT-1]}")
${bashWalk(nodes)}
  case "$at:$previous" in
${nodes.flatMap(zshChoices).join('\n')}
    *:${filesAfter(nodes).replaceAll('|', '|*:')}) _files; return ;;
  esac
  case "$at" in
${nodes.map(zshNode).join('\n')}
  esac
  if [[ $current == -* ]]; then _describe option options; return; fi
  if (( \${#commands} )); then _describe command commands; else _files; fi
}
if [[ $funcstack[1] == _keyhold ]]; then _keyhold "$@"; else compdef _keyhold keyhold; fi
`;

const fishCondition = (node: Node): string => `-n ${quoted(`__keyhold_at ${quoted(joined(node.path))}`)}`;

const fishOption = (node: Node, option: Option): string => {
  const { short, long, argChoices, description, flags } = option;
  const parts = [
    `complete -c keyhold ${fishCondition(node)}`,
    ...(short === undefined ? [] : [`-s ${short.slice(1)}`]),
    ...(long === undefined ? [] : [`-l ${long.slice(2)}`]),
    ...(takesValue(option) ? ['-r'] : []),
    ...(/<(path|file)>/.test(flags) ? ['-F'] : []),
    ...(argChoices ? [`-a ${quoted(argChoices.join(' '))}`] : []),
    `-d ${quoted(description)}`,
  ];
  return parts.join(' ');
};

const fishNode = (node: Node): string[] => [
  ...node.children.map(
    ({ name, description }) =>
      `complete -c keyhold ${fishCondition(node)} -a ${quoted(name)} -d ${quoted(description)}`,
  ),
  ...node.options.map((option) => fishOption(node, option)),
];

const fish = (nodes: readonly Node[]): string => {
  const valued = nodes.flatMap((node) => node.options.filter(takesValue).flatMap(({ short, long }) => [short, long]));
  const flags = [...new Set(valued)].filter((flag) => flag !== undefined).join(' ');
  const paths = nodes.filter(({ path }) => path.length > 0).map(({ path }) => quoted(joined(path)));
  return `# fish completion of keyhold; made by "keyhold completion fish"
function __keyhold_at
  set -l at
  set -l skip
  for word in (commandline -opc)[2..-1]
    if set -q skip[1]; set -e skip; continue; end
    if contains -- $word ${flags}; set skip 1; continue; end
    if string match -q -- '-*' $word; continue; end
    set -l next (string join ' ' $at $word)
    if contains -- $next ${paths.join(' ')}; set at $next; end
  end
  test "$at" = "$argv[1]"
end
complete -c keyhold -f
${nodes.flatMap(fishNode).join('\n')}
`;
};

const scripts = { bash, zsh, fish };

/** The completion script of a shell, made from the commands as they are. */
export const completionScript = (program: Command, shell: keyof typeof scripts): string =>
  scripts[shell](nodesOf(program));

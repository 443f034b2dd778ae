/**
 * The scripts that shells load. Each hands the words of the line to "keyhold __complete", whose first line of output
 * says who completes: "words" offers the lines below it (a word, a tab, a description), "files" leaves it to the shell,
 * and no output offers nothing. The shell quotes each word itself and evaluates none.
 */
const bash = `# bash completion for keyhold, printed by "keyhold completion bash"
_keyhold() {
  local kind word description
  COMPREPLY=()
  {
    read -r kind
    while IFS=$'\\t' read -r word description; do
      [[ $word == *[^[:alnum:]_.,:=@+-]* ]] && printf -v word %q "$word"
      COMPREPLY+=("$word")
    done
  } < <(keyhold __complete --bash -- "\${COMP_WORDS[@]:1:COMP_CWORD}" 2>/dev/null)
  [[ $kind == files ]] || compopt +o default +o bashdefault 2>/dev/null
}
complete -o bashdefault -o default -F _keyhold keyhold
`;

const zsh = `#compdef keyhold
# zsh completion for keyhold, printed by "keyhold completion zsh"
_keyhold() {
  local -a lines=("\${(@f)$(keyhold __complete -- "\${(@Q)words[2,CURRENT-1]}" "\${(Q)PREFIX}" 2>/dev/null)}")
  if [[ $lines[1] == files ]]; then _files; return; fi
  local -a shown=("\${(@)lines[2,-1]/$'\\t'/  -- }") found=("\${(@)lines[2,-1]%%$'\\t'*}")
  compadd -l -d shown -a found
}
if [[ $funcstack[1] == _keyhold ]]; then _keyhold "$@"; else compdef _keyhold keyhold; fi
`;

const fish = `# fish completion for keyhold, printed by "keyhold completion fish"
function __keyhold_complete
  set -l words (commandline --tokenize --cut-at-cursor --current-process)[2..-1] (commandline --current-token --cut-at-cursor)
  set -l lines (keyhold __complete -- $words 2>/dev/null)
  if test "$lines[1]" = files
    __fish_complete_path (commandline --current-token --cut-at-cursor)
  else if set -q lines[2]
    printf '%s\\n' $lines[2..-1]
  end
end
complete --command keyhold --no-files --arguments '(__keyhold_complete)'
`;

/** The completion script of each shell. */
export const completionScripts = { bash, zsh, fish } as const;

export type Shell = keyof typeof completionScripts;

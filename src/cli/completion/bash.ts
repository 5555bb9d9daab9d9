import type { Level } from './words.ts'

/** A function per program that knows the words after every chain of commands, and completes files after flags. */
export function bashCompletion(levels: readonly Level[]): string {
  const all = levels.flatMap(({ flags }) => flags)
  const patterns = (value: string) =>
    namesOf(all.filter((flag) => flag.takesValue && flag.value === value)).join('|')
  const cases = levels.map(({ path, commands, flags, values }) => {
    const words = [...commands.map(({ name }) => name), ...values].join(' ')
    return `    '${path}') words='${words}' flags='${namesOf(flags).join(' ')}' ;;`
  })
  const chains = levels.filter(({ path }) => path !== '').map(({ path }) => `'${path}'`)
  return `# bash completion for flotilla: source this file, or put it in
# \${BASH_COMPLETION_USER_DIR:-~/.local/share/bash-completion}/completions/flotilla
_flotilla() {
  local current="\${COMP_WORDS[COMP_CWORD]}" previous="\${COMP_WORDS[COMP_CWORD - 1]}"
  local chain='' words='' flags='' word index
  COMPREPLY=()
  case "$previous" in
    ${patterns('file')}) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -f -- "$current"); return ;;
    ${patterns('directory')}) compopt -o filenames; mapfile -t COMPREPLY < <(compgen -d -- "$current"); return ;;
    ${patterns('word')}) return ;;
  esac
  for ((index = 1; index < COMP_CWORD; index++)); do
    word="\${COMP_WORDS[index]}"
    case "$word" in
      ${namesOf(all.filter((flag) => flag.takesValue)).join('|')}) index=$((index + 1)) ;;
      -*) ;;
      *)
        case "\${chain:+$chain }$word" in
          ${chains.join('|')}) chain="\${chain:+$chain }$word" ;;
        esac ;;
    esac
  done
  case "$chain" in
${cases.join('\n')}
  esac
  if [[ "$current" == -* ]]; then words="$flags"; fi
  mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _flotilla flotilla
`
}

function namesOf(flags: readonly { readonly name: string }[]): string[] {
  return [...new Set(flags.map(({ name }) => name))]
}

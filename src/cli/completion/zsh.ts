import type { Flag, Level } from './words.ts'

const ACTIONS = { file: '_files', directory: '_files -/', word: '' } as const

/** One function per chain of commands, each in the words of zsh's _arguments. */
export function zshCompletion(levels: readonly Level[]): string {
  const functions = levels.map((level) => {
    const specifications = level.flags.map(flagSpecification)
    if (level.commands.length === 0) {
      const values = level.values.length > 0 ? [`'*:value:(${level.values.join(' ')})'`] : []
      return `${functionName(level.path)}() {\n  _arguments -s ${[...specifications, ...values].join(' \\\n    ')}\n}`
    }
    const commands = level.commands.map(({ name, description }) => `    '${name}:${description}'`)
    const cases = level.commands.map(({ name }) => {
      const next = functionName(level.path === '' ? name : `${level.path} ${name}`)
      return `        ${name}) ${next} ;;`
    })
    return `${functionName(level.path)}() {
  local context state state_descr line
  typeset -A opt_args
  local -a commands=(
${commands.join('\n')}
  )
  _arguments -C ${[...specifications, "'1: :->command'", "'*:: :->rest'"].join(' \\\n    ')}
  case $state in
    command) _describe command commands ;;
    rest)
      case $line[1] in
${cases.join('\n')}
      esac ;;
  esac
}`
  })
  return `#compdef flotilla
# zsh completion for flotilla: put this file into a folder of $fpath, named _flotilla

${functions.join('\n\n')}

if [ "$funcstack[1]" = _flotilla ]; then _flotilla "$@"; else compdef _flotilla flotilla; fi
`
}

function functionName(path: string): string {
  return path === '' ? '_flotilla' : `_flotilla_${path.replaceAll(/[ -]/g, '_')}`
}

function flagSpecification({ name, description, takesValue, value }: Flag): string {
  return takesValue ? `'${name}=[${description}]:value:${ACTIONS[value]}'` : `'${name}[${description}]'`
}

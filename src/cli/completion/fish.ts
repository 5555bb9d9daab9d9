import type { Level } from './words.ts'

/** A `complete` line for every word, each under the condition that its chain of commands was typed. */
export function fishCompletion(levels: readonly Level[]): string {
  const taking = new Set(
    levels.flatMap(({ flags }) => flags.filter((flag) => flag.takesValue).map(({ name }) => name)),
  )
  const chains = levels.map(({ path }) => path).filter((path) => path !== '')
  const lines = levels.flatMap(({ path, commands, flags, values }) => {
    const condition = `-n '__flotilla_after "${path}"'`
    return [
      ...commands.map(
        ({ name, description }) => `complete -c flotilla -f ${condition} -a ${name} -d '${description}'`,
      ),
      ...values.map((value) => `complete -c flotilla -f ${condition} -a ${value}`),
      ...flags.map(({ name, description, takesValue, value }) => {
        const how = !takesValue
          ? ''
          : value === 'file'
            ? ' -r -F'
            : value === 'directory'
              ? " -x -a '(__fish_complete_directories)'"
              : ' -x'
        return `complete -c flotilla ${condition} -l ${name.slice(2)}${how} -d '${description}'`
      }),
    ]
  })
  return `# fish completion for flotilla: put this file into ~/.config/fish/completions/flotilla.fish
function __flotilla_after
    set -l chain ''
    set -l skip 0
    for word in (commandline -opc)[2..-1]
        if test $skip = 1
            set skip 0
            continue
        end
        switch $word
            case ${[...taking].join(' ')}
                set skip 1
            case '-*'
            case '*'
                set -l longer (string trim "$chain $word")
                if contains -- $longer ${chains.map((chain) => `'${chain}'`).join(' ')}
                    set chain $longer
                end
        end
    end
    test "$chain" = "$argv[1]"
end
complete -c flotilla -f
${lines.join('\n')}
`
}

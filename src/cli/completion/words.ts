import type { Argument, Command, Option } from 'commander'

/** What can be typed after one chain of commands. */
export interface Level {
  /** Words from the program on: `''` is the program itself, `user create` two below it. */
  readonly path: string
  readonly commands: readonly Word[]
  readonly flags: readonly Flag[]
  /** Values an argument can have, where they are known. */
  readonly values: readonly string[]
}

export interface Word {
  readonly name: string
  readonly description: string
}

export interface Flag extends Word {
  /** A word must follow. */
  readonly takesValue: boolean
  /** `file` where the value is a path. */
  readonly value: 'file' | 'directory' | 'word'
}

/** The whole tree of a program, one level per command, the program's own flags on each. */
export function levelsOf(program: Command): Level[] {
  const shared = visible(program.options)
  const levels: Level[] = []
  const walk = (command: Command, path: readonly string[]): void => {
    const flags = command === program ? [] : visible(command.options)
    const help: Flag = { name: '--help', description: 'explain it', takesValue: false, value: 'word' }
    levels.push({
      path: path.join(' '),
      commands: command.commands.map((child) => ({ name: child.name(), description: summaryOf(child) })),
      flags: [...flags, ...shared, help],
      values: command.registeredArguments.flatMap(valuesOf),
    })
    for (const child of command.commands) walk(child, [...path, child.name()])
  }
  walk(program, [])
  return levels
}

function visible(options: readonly Option[]): Flag[] {
  return options.flatMap(({ long, description, flags, hidden }) => {
    if (long === undefined || long === null || hidden) return []
    const placeholder = /<(\w+)>/.exec(flags)?.[1]
    const value = placeholder === 'FILE' ? 'file' : placeholder === 'DIR' ? 'directory' : 'word'
    return [{ name: long, description: oneLine(description), takesValue: placeholder !== undefined, value }]
  })
}

/** `<on|off>`, or a description that is a list of words. */
function valuesOf(argument: Argument): string[] {
  const name = argument.name()
  if (name.includes('|')) return name.split('|')
  return /^[\w-]+(, [\w-]+)+$/.test(argument.description) ? argument.description.split(', ') : []
}

function summaryOf(command: Command): string {
  return oneLine(command.summary() || command.description())
}

/** Without what a shell would read as its own. */
function oneLine(text: string): string {
  return (text.split('\n')[0] ?? '').replaceAll(/['"`$\\[\]:]/g, '')
}

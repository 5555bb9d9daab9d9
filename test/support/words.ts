import { parseArgs } from 'node:util'

/** What an option takes: nothing, a whole number from 1 on, one from 0 on, or a text. */
type Takes = 'nothing' | 'count' | 'number' | 'text'

interface Option {
  readonly takes: Takes
  readonly says: string
  readonly default?: number | string
  /** Of a number, where there is less than any. */
  readonly least?: number
  readonly most?: number
}

type Options = Readonly<Record<string, Option>>

type ValueOf<O extends Option> = O['takes'] extends 'nothing'
  ? boolean
  :
      | (O['takes'] extends 'text' ? string : number)
      | (O extends { default: number | string } ? never : undefined)

export type Values<T extends Options> = { readonly [K in keyof T]: ValueOf<T[K]> }

export interface Usage<T extends Options> {
  /** As it is typed, up to its options. */
  readonly command: string
  readonly about: string
  readonly options: T
  /** What may stand there beside options; without it nothing may. */
  readonly names?: string
}

/** What was asked for cannot be done: one line for whoever asked, and what there is, where that helps. */
export class WrongWords extends Error {
  readonly known: readonly string[]

  constructor(line: string, known: readonly string[] = []) {
    super(line)
    this.known = known
  }
}

export interface Words<T extends Options> {
  readonly values: Values<T>
  readonly names: readonly string[]
  readonly help: boolean
}

/** @throws WrongWords */
export function readWords<const T extends Options>(usage: Usage<T>, argv: readonly string[]): Words<T> {
  const { values: given, positionals: names } = parse(usage, argv)
  const values = Object.entries(usage.options).map(([name, option]) => [
    name,
    valueOf(name, option, given[name]),
  ])
  return { values: Object.fromEntries(values) as Values<T>, names, help: given['help'] === true }
}

/** The words this process was started with; where help is asked for or they are wrong, it ends here, with 0 or 2. */
export function ownWords<const T extends Options>(usage: Usage<T>): Words<T> {
  return orLeave(() => {
    const words = readWords(usage, process.argv.slice(2))
    if (!words.help) return words
    process.stdout.write(helpOf(usage))
    process.exit(0)
  })
}

/** Ends the process with 2 where `choose` throws WrongWords. */
export function orLeave<T>(choose: () => T): T {
  try {
    return choose()
  } catch (error) {
    if (!(error instanceof WrongWords)) throw error
    process.stderr.write([error.message, ...error.known.map((name) => `  ${name}`), ''].join('\n'))
    process.exit(2)
  }
}

export function helpOf({ command, about, options, names }: Usage<Options>): string {
  const lines = Object.entries(options).map(([name, { takes, says, default: usual }]) => {
    const word = takes === 'nothing' ? `--${name}` : `--${name} ${takes === 'text' ? 'TEXT' : 'N'}`
    return [word, usual === undefined || usual === '' ? says : `${says} (${usual})`] as const
  })
  lines.push(['--help', 'this'])
  const width = Math.max(...lines.map(([word]) => word.length))
  const usage = `${command}${names === undefined ? '' : ` ${names}`} [options]`
  return [usage, about, '', ...lines.map(([word, says]) => `  ${word.padEnd(width)}  ${says}`), ''].join('\n')
}

interface Given {
  readonly values: Readonly<Record<string, string | boolean | undefined>>
  readonly positionals: readonly string[]
}

function parse({ options, names }: Usage<Options>, argv: readonly string[]): Given {
  const takes = Object.entries(options).map(
    ([name, option]) => [name, { type: option.takes === 'nothing' ? 'boolean' : 'string' }] as const,
  )
  try {
    return parseArgs({
      args: withNegatives(argv),
      allowPositionals: names !== undefined,
      options: { ...Object.fromEntries(takes), help: { type: 'boolean' } },
    })
  } catch (error) {
    const [line = ''] = (error instanceof Error ? error.message : String(error)).split(/\n|\. /)
    throw new WrongWords(`${line.replace(/\.$/, '')}; --help says what there is`)
  }
}

/** `--seeds -1` is a wrong number, not an option called 1. */
function withNegatives(argv: readonly string[]): string[] {
  const joined: string[] = []
  for (const word of argv) {
    const before = joined.at(-1) ?? ''
    if (/^-\d/.test(word) && /^--[^=]+$/.test(before)) joined.splice(-1, 1, `${before}=${word}`)
    else joined.push(word)
  }
  return joined
}

function valueOf(name: string, option: Option, given: string | boolean | undefined) {
  if (option.takes === 'nothing') return given === true
  const value = given ?? option.default
  if (typeof value !== 'string') return value
  if (option.takes === 'text') {
    if (value === '' && option.default !== '') throw new WrongWords(`--${name} is empty`)
    return value
  }
  const { least = option.takes === 'count' ? 1 : 0, most = Number.MAX_SAFE_INTEGER } = option
  const number = /^\d+$/.test(value) ? Number(value) : Number.NaN
  if (number >= least && number <= most) return number
  const range = option.most === undefined ? `${least} on` : `${least} to ${most}`
  throw new WrongWords(`--${name} takes a whole number from ${range}, not '${value}'`)
}

import { parseArgs } from 'node:util'

export const USAGE = `Usage: scripts/up [--nodes N] [--fresh] [--json]
       scripts/up down [--fresh]

Starts a Flotilla cluster on this machine: N nodes (3), each a site of its own, on 127.0.0.1.
They go on in the background. Running it again starts what has stopped and adds what is missing.

  --nodes N   how many nodes, 1 to 9 (default: 3, or as many as there are)
  --fresh     stop the nodes, delete their data and begin anew; with down: stop and delete
  --json      print one line of JSON on standard output
  --dir DIR   keep everything below DIR (default: .flotilla/up)
  down        stop all nodes`

/** Nine nodes on one machine are a demonstration, more a way to run out of memory. */
const NODES_MAX = 9

export interface Arguments {
  readonly command: 'up' | 'down'
  /** Undefined: as many as there are, else three. */
  readonly nodes: number | undefined
  readonly fresh: boolean
  readonly json: boolean
  readonly dir: string | undefined
}

/** @returns what was asked for, `help`, or what is wrong with it */
export function readArguments(words: readonly string[]): Arguments | 'help' | Error {
  try {
    const { values, positionals } = parseArgs({
      args: [...words],
      allowPositionals: true,
      options: {
        nodes: { type: 'string' },
        fresh: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        dir: { type: 'string' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.help) return 'help'
    const [command = 'up', ...rest] = positionals
    if (command !== 'up' && command !== 'down') return new Error(`unknown command '${command}'`)
    if (rest.length > 0) return new Error(`unexpected '${rest[0]}'`)
    const nodes = values.nodes === undefined ? undefined : Number(values.nodes)
    if (nodes !== undefined && !(Number.isInteger(nodes) && nodes >= 1 && nodes <= NODES_MAX)) {
      return new Error(`--nodes ${values.nodes}: must be 1 to ${NODES_MAX}`)
    }
    return { command, nodes, fresh: values.fresh, json: values.json, dir: values.dir }
  } catch (error) {
    return new Error((error as Error).message.split('.')[0])
  }
}

import type { Command } from 'commander'
import { Fault } from '../../errors.ts'
import type { StorageCheck, StorageFindings } from '../../registry/topology.ts'
import { bar, formatMilliseconds } from '../amounts.ts'
import { addConnectionFlags, connect } from '../connection.ts'
import type { CliContext } from '../context.ts'
import type { NodeApi } from '../node-api.ts'

/** How often a node is asked how far it is: a bar that moves, and no load. */
const ASK_EVERY_MS = 250
const BAR_WIDTH = 30
const PATH = '/cluster/storage-check'

export function addCheck(program: Command, context: CliContext): void {
  const command = program
    .command('check')
    .summary('read all records of a running node, and hold them against their hashes')
    .description(
      'Has a running node read every record it has stored, at full speed, and hold it against its hash. Damaged\n' +
        'log entries are asked for again from the other members, damaged tables made anew from the logs. The node\n' +
        'does the same by itself, slowly, every day. Exit code 1 when something is damaged and could not be mended.',
    )
    .option('--json', 'print one line of JSON')
  addConnectionFlags(command).action(() => check(command, context))
}

async function check(command: Command, context: CliContext): Promise<void> {
  const { terminal } = context
  const api = await connect(command, context)
  const found = await wait(api, context)
  terminal.out(command.opts<{ json?: boolean }>().json ? JSON.stringify(found) : render(found))
  if (found.failure !== null) throw new Fault('STORAGE_DAMAGED', found.failure)
}

/** Until the look that was begun is at its end. */
async function wait(api: NodeApi, { terminal, timers, interrupted }: CliContext): Promise<StorageFindings> {
  const before = (await api.get<StorageCheck>(PATH)).last?.at
  let state = (await api.post(PATH)).body as StorageCheck
  try {
    while (state.running || state.last === null || state.last.at === before) {
      terminal.progress(shown(state))
      await timers.sleep(ASK_EVERY_MS, interrupted)
      state = await api.get<StorageCheck>(PATH)
    }
  } finally {
    terminal.progress('')
  }
  return state.last
}

/** How many rows there are is known once they are read; of entries it is known before. */
function shown({ rows, entries, entriesTotal }: StorageCheck): string {
  if (entries === 0) return `reading tables: ${rows} rows`
  const share = Math.min(1, entries / Math.max(1, entriesTotal))
  const full = Math.round(share * BAR_WIDTH)
  return `reading logs: ${bar(full, BAR_WIDTH)} ${entries} of ${entriesTotal} entries`
}

function render(found: StorageFindings): string {
  const { rows, entries, milliseconds, damagedEntries, damagedTables, mendedRows, entriesNamed } = found
  const lines = [`${rows} rows and ${entries} log entries read in ${formatMilliseconds(milliseconds)}`]
  if (damagedEntries > 0) {
    const [first] = entriesNamed
    const example = first ? ` (${first.feed} ${first.seq} is one)` : ''
    lines.push(`damaged log entries: ${damagedEntries}${example}; they are asked for again from the members`)
  }
  if (damagedTables.length > 0)
    lines.push(`damaged tables: ${damagedTables.join(', ')}; ${mendedRows} rows were made anew from the logs`)
  const sound = damagedEntries === 0 && damagedTables.length === 0
  // Why is said with the failure.
  if (found.failure !== null && sound) lines.push('the records are damaged: they could not all be read')
  else if (sound) lines.push('nothing is damaged')
  else lines.push('the disk of the node changes what is written to it: replace it')
  return lines.join('\n')
}

import type { Command } from 'commander'
import type { ClusterStatus, MemberStatus, RecentTransfer, TransferStatus } from '../../registry/topology.ts'
import { formatBytes, formatMilliseconds, shortId } from '../amounts.ts'
import type { ApiOpenConflicts, ApiStorage } from '../api-shapes.ts'
import { addConnectionFlags, connect } from '../connection.ts'
import type { CliContext } from '../context.ts'
import { table } from '../table.ts'
import type { Terminal } from '../terminal.ts'

type Status = ClusterStatus & ApiOpenConflicts & ApiStorage

export function addStatus(program: Command, context: CliContext): void {
  const command = program
    .command('status')
    .summary('show members, how far they are in sync, and what travelled')
    .description(
      'Shows the cluster as one node sees it: members, how far they are in sync, bytes that travelled.',
    )
    .option('--json', 'print one line of JSON')
  addConnectionFlags(command).action(async () => {
    const api = await connect(command, context)
    const status = await api.get<Status>('/cluster')
    const { json } = command.opts<{ json?: boolean }>()
    context.terminal.out(json ? JSON.stringify(status) : render(status, context.terminal))
  })
}

function render(status: Status, terminal: Terminal): string {
  const { cluster, members, stateHash, transfers, conflicts, storage } = status
  const notices = [...(storage?.notices ?? []), ...status.notices]
  const present = members.filter((member) => member.state === 'member' || member.state === 'pending')
  const gone = members.filter((member) => !present.includes(member))
  return [
    `Cluster ${terminal.paint('bold', cluster.name)} (${cluster.id.slice(0, 12)}), records ${stateHash.slice(0, 12)}`,
    '',
    table(
      ['node', 'site', 'id', 'role', 'state', 'sync', 'lag', 'rtt', 'heard', 'url'],
      present.map((member) => memberRow(member, terminal)),
    ),
    ...(gone.length > 0 ? [goneLine(gone)] : []),
    ...(notices.length > 0 ? ['', ...notices.map((notice) => terminal.paint('yellow', `! ${notice}`))] : []),
    ...(conflicts ? ['', conflictsLine(conflicts, terminal)] : []),
    '',
    renderTransfers(transfers),
  ].join('\n')
}

function conflictsLine({ open, more }: NonNullable<Status['conflicts']>, terminal: Terminal): string {
  if (open === 0 && !more) return 'Open conflicts: none'
  const count = terminal.paint('yellow', `${open}${more ? '+' : ''}`)
  return `Open conflicts: ${count} (flotilla conflicts shows them)`
}

/** Of those that are gone as many as fit on a line or two; `flotilla nodes` shows all. */
const GONE_SHOWN_MAX = 5

function goneLine(gone: readonly MemberStatus[]): string {
  const shown = gone
    .slice(0, GONE_SHOWN_MAX)
    .map(({ name, state, reason }) => `${name} ${state}${reason === undefined ? '' : `: ${reason}`}`)
  const more = gone.length - shown.length
  const named = [...shown, ...(more > 0 ? [`${more} more`] : [])].join('; ')
  return `(and ${gone.length} that left or were evicted: ${named})`
}

function memberRow(member: MemberStatus, terminal: Terminal): string[] {
  const unknown = '-'
  return [
    member.self ? `${member.name} *` : member.name,
    member.site,
    shortId(member.id),
    member.role,
    stateWord(member, terminal),
    syncWord(member, terminal),
    member.lagEntries === null ? unknown : String(member.lagEntries),
    member.rttMs === null ? unknown : formatMilliseconds(member.rttMs),
    member.lastExchangeMs === null ? unknown : `${formatMilliseconds(member.lastExchangeMs)} ago`,
    member.url ?? unknown,
  ]
}

function stateWord({ state, connected }: MemberStatus, terminal: Terminal): string {
  if (state === 'pending') return terminal.paint('yellow', 'pending')
  return connected ? terminal.paint('green', 'connected') : terminal.paint('red', 'away')
}

/** Of one that is away nobody knows: only how it was when it was last heard. */
function syncWord({ self, sync, connected, lastExchangeMs }: MemberStatus, terminal: Terminal): string {
  if (self) return terminal.paint('green', 'in sync')
  const word = sync === 'in-sync' ? 'in sync' : sync
  if (!connected && sync !== 'unknown') {
    const ago = lastExchangeMs === null ? '' : `, ${formatMilliseconds(lastExchangeMs)} ago`
    return terminal.paint(sync === 'diverged' ? 'red' : 'yellow', `${word} when last heard${ago}`)
  }
  const paint = sync === 'in-sync' ? 'green' : sync === 'diverged' ? 'red' : 'yellow'
  return terminal.paint(paint, word)
}

function renderTransfers({ torrent, direct, recent }: TransferStatus): string {
  const counters = [
    ['BitTorrent', torrent],
    ['direct', direct],
  ] as const
  return [
    'Blobs between members since this node started:',
    '',
    table(
      ['by', 'blobs in', 'bytes in', 'bytes out'],
      counters.map(([name, { blobsReceived, bytesReceived, bytesSent }]) => [
        name,
        String(blobsReceived),
        formatBytes(bytesReceived),
        formatBytes(bytesSent),
      ]),
    ),
    ...(recent.length === 0
      ? []
      : ['', table(['last arrivals', 'size', 'by', 'took', 'from'], recent.map(arrivalRow))]),
  ].join('\n')
}

function arrivalRow({ digest, size, transport, milliseconds, from }: RecentTransfer): string[] {
  const by = transport === 'torrent' ? 'BitTorrent' : 'direct'
  return [digest.slice(0, 19), formatBytes(size), by, formatMilliseconds(milliseconds), from.join(', ')]
}

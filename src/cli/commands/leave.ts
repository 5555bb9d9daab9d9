import { type Command, Option } from 'commander'
import { isFault } from '../../errors.ts'
import type { ClusterStatus, HandoverStatus } from '../../registry/topology.ts'
import { bar, formatBytes } from '../amounts.ts'
import { confirmed } from '../confirm.ts'
import { addConnectionFlags, connect } from '../connection.ts'
import type { CliContext } from '../context.ts'
import type { NodeApi } from '../node-api.ts'

const HANDOVER = '/cluster/handover'
/** How often a node is asked how far it is: a bar that moves, and no load. */
const ASK_EVERY_MS = 500
const BAR_WIDTH = 30

export function addLeave(program: Command, context: CliContext): void {
  const command = program
    .command('leave')
    .summary('take this node out of its cluster')
    .description(
      'Has other members fetch what only this node holds, tells them that it goes, and stops it. Its data directory\n' +
        'stays, and cannot serve again.',
    )
    .addOption(new Option('--force', 'go although blobs that are nowhere else go with it'))
    .option('--json', 'print one line of JSON')
    .option('-y, --yes', 'do not ask')
  addConnectionFlags(command).action(() => leave(command, context))
}

async function leave(command: Command, context: CliContext): Promise<void> {
  const { terminal } = context
  const { force = false, json } = command.opts<{ force?: boolean; json?: boolean }>()
  const api = await connect(command, context)
  const { cluster, members } = await api.get<ClusterStatus>('/cluster')
  const self = members.find((member) => member.self)
  const name = self?.name ?? 'this node'
  await confirmed(`${name} leaves cluster ${cluster.name} for good?`, command, context)
  const handed = force ? undefined : await handOver(api, context)
  await api.post('/cluster/leave', { force })
  const told = members.some((member) => !member.self && member.connected)
  if (json)
    terminal.out(JSON.stringify({ node: self?.id ?? null, name, cluster, told, handed: handed ?? null }))
  else {
    if (handed && handed.handed > 0)
      terminal.out(
        `Others have fetched ${handed.handed} blobs (${formatBytes(handed.handedBytes)}) that were only here.`,
      )
    terminal.out(`${name} has left cluster ${cluster.name}.`)
  }
  if (!told) {
    terminal.err(
      'No other member was connected: they will count it as a member until one is told; `flotilla evict` there does it.',
    )
  }
}

/** Until others have what only this node had, or will not take it; leaving tells what is left. */
async function handOver(
  api: NodeApi,
  { terminal, timers, interrupted }: CliContext,
): Promise<HandoverStatus> {
  let status: HandoverStatus
  try {
    status = (await api.post(HANDOVER)).body as HandoverStatus
    while (status.running) {
      terminal.progress(shown(status))
      await timers.sleep(ASK_EVERY_MS, interrupted)
      status = await api.get<HandoverStatus>(HANDOVER)
    }
  } catch (error) {
    // A node of an older version has no such thing, and leaves as it did.
    if (isFault(error, 'NOT_FOUND'))
      return { running: false, blobs: 0, bytes: 0, handed: 0, handedBytes: 0, failed: 0 }
    throw error
  } finally {
    terminal.progress('')
  }
  return status
}

function shown({ handed, blobs, bytes, handedBytes }: HandoverStatus): string {
  const full = Math.floor((BAR_WIDTH * handedBytes) / Math.max(1, bytes))
  return `handing over: ${bar(full, BAR_WIDTH)} ${handed} of ${blobs} blobs`
}

import type { Command } from 'commander'
import type { ClusterStatus } from '../../registry/topology.ts'
import { confirmed } from '../confirm.ts'
import { addConnectionFlags, connect } from '../connection.ts'
import type { CliContext } from '../context.ts'

export function addLeave(program: Command, context: CliContext): void {
  const command = program
    .command('leave')
    .summary('take this node out of its cluster')
    .description(
      'Tells the other members that this node goes, and stops it. Its data directory stays, and cannot serve again.',
    )
    .option('--json', 'print one line of JSON')
    .option('-y, --yes', 'do not ask')
  addConnectionFlags(command).action(() => leave(command, context))
}

async function leave(command: Command, context: CliContext): Promise<void> {
  const { terminal } = context
  const api = await connect(command, context)
  const { cluster, members } = await api.get<ClusterStatus>('/cluster')
  const self = members.find((member) => member.self)
  const name = self?.name ?? 'this node'
  await confirmed(`${name} leaves cluster ${cluster.name} for good?`, command, context)
  await api.post('/cluster/leave')
  const told = members.some((member) => !member.self && member.connected)
  if (command.opts<{ json?: boolean }>().json)
    terminal.out(JSON.stringify({ node: self?.id ?? null, name, cluster, told }))
  else terminal.out(`${name} has left cluster ${cluster.name}.`)
  if (!told) {
    terminal.err(
      'No other member was connected: they will count it as a member until one is told; `flotilla evict` there does it.',
    )
  }
}

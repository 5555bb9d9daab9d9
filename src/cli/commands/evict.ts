import type { Command } from 'commander'
import { Fault } from '../../errors.ts'
import type { ClusterStatus, MemberStatus } from '../../registry/topology.ts'
import { shortId } from '../amounts.ts'
import { confirmed } from '../confirm.ts'
import { addConnectionFlags, connect } from '../connection.ts'
import type { CliContext } from '../context.ts'

export function addEvict(program: Command, context: CliContext): void {
  const command = program
    .command('evict')
    .argument('<node>', 'name or id of the member')
    .summary('put a node out of the cluster')
    .description(
      'Puts a member out of the cluster: from then on no member talks to it or believes what it writes.',
    )
    .option('-y, --yes', 'do not ask')
  addConnectionFlags(command).action((node: string) => evict(node, command, context))
}

async function evict(node: string, command: Command, context: CliContext): Promise<void> {
  const api = await connect(command, context)
  const { members } = await api.get<ClusterStatus>('/cluster')
  const member = find(members, node)
  if (member.self) {
    throw new Fault('USAGE', `${member.name} is the node that was asked`, {
      advice: 'ask another member, or use `flotilla leave`',
    })
  }
  await confirmed(
    `Evict ${member.name} (site ${member.site}, ${shortId(member.id)}) for good?`,
    command,
    context,
  )
  await api.delete(`/cluster/members/${encodeURIComponent(member.id)}`)
  context.terminal.out(`${member.name} is evicted.`)
}

/** By id, by the end of it that `status` shows, or by name when only one member has it. */
function find(members: readonly MemberStatus[], wanted: string): MemberStatus {
  const here = members.filter((member) => member.state === 'member')
  const tail = wanted.replace(/^…/, '')
  const byId = here.filter((member) => member.id === wanted || (tail.length >= 6 && member.id.endsWith(tail)))
  const found = byId.length > 0 ? byId : here.filter((member) => member.name === wanted)
  const [first] = found
  if (first !== undefined && found.length === 1) return first
  const names = here.map((member) => `${member.name} (${shortId(member.id)})`).join(', ')
  throw new Fault(
    'NODE_UNKNOWN',
    first === undefined ? `no member is called ${wanted}` : `${found.length} members are called ${wanted}`,
    { advice: `members: ${names}` },
  )
}

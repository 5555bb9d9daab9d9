import type { Command } from 'commander'
import type { ClusterStatus, MemberStatus } from '../../registry/topology.ts'
import { shortId } from '../amounts.ts'
import { addConnectionFlags, connect } from '../connection.ts'
import type { CliContext } from '../context.ts'
import { findMember } from '../find-member.ts'
import { atAnchor } from '../role-refusals.ts'
import { table } from '../table.ts'

export function addNodes(program: Command, context: CliContext): void {
  const command = program
    .command('nodes')
    .summary('show who belongs, with role and term')
    .description('Shows every node that belongs, waits, has left or was put out, with its role and its term.')
    .option('--json', 'print one line of JSON')
  addConnectionFlags(command).action(async () => {
    const api = await connect(command, context)
    const { members } = await api.get<ClusterStatus>('/cluster')
    const { json } = command.opts<{ json?: boolean }>()
    context.terminal.out(json ? JSON.stringify(members) : render(members))
  })
}

export function addNode(program: Command, context: CliContext): void {
  const node = program
    .command('node')
    .summary('agree to a node that waits')
    .description('What is done to one node.')
  const command = node
    .command('approve')
    .argument('<node>', 'name or id')
    .summary('agree to a node that waits for a second consent')
    .description(
      'Agrees to a node that was invited with --approval, as another administrator than the inviter.',
    )
  addConnectionFlags(command).action((name: string) => approve(name, command, context))
}

async function approve(name: string, command: Command, context: CliContext): Promise<void> {
  const api = await connect(command, context)
  const { members } = await api.get<ClusterStatus>('/cluster')
  const member = findMember(members, name, ['pending'])
  await atAnchor(api, () => api.post(`/cluster/members/${encodeURIComponent(member.id)}/approval`))
  context.terminal.out(`${member.name} is a member.`)
}

function render(members: readonly MemberStatus[]): string {
  return table(
    ['node', 'site', 'id', 'role', 'state', 'member until'],
    members.map(({ name, self, site, id, role, state, reason, notAfter }) => [
      self ? `${name} *` : name,
      site,
      shortId(id),
      role,
      reason === undefined ? state : `${state} (${reason})`,
      notAfter === null ? '-' : notAfter.slice(0, 16).replace('T', ' '),
    ]),
  )
}

import type { Command } from 'commander'
import type { BlobHolder, BlobWhere } from '../../registry/placement-view.ts'
import { formatBytes, shortId } from '../amounts.ts'
import { addConnectionFlags, connect } from '../connection.ts'
import type { CliContext } from '../context.ts'
import { table } from '../table.ts'
import type { Terminal } from '../terminal.ts'

export function addBlob(program: Command, context: CliContext): void {
  const blob = program
    .command('blob')
    .summary('show where a blob is')
    .description('Content by its digest: layers, configs, manifests.')
  const where = blob
    .command('where')
    .argument('<digest>', 'sha256:… of a layer, config or manifest')
    .summary('show which members have a blob, and which should')
    .description(
      'Asks every connected member whether it has a blob, and says why it should have it, or must not.',
    )
    .option('--json', 'print one line of JSON')
  addConnectionFlags(where).action(async (digest: string) => {
    const api = await connect(where, context)
    const found = await api.get<BlobWhere>(`/cluster/blobs/${encodeURIComponent(digest)}`)
    const { json } = where.opts<{ json?: boolean }>()
    context.terminal.out(json ? JSON.stringify(found) : render(found, context.terminal))
  })
}

function render({ digest, size, projects, members }: BlobWhere, terminal: Terminal): string {
  const known = projects.map(({ name, placement, residency }) => {
    const kept = residency === null ? '' : `, kept to ${residency.join(', ') || 'no site'}`
    return `${name} (${placement}${kept})`
  })
  return [
    `${digest}${size === null ? '' : `, ${formatBytes(size)}`}`,
    projects.length === 0 ? 'No repository has it.' : `In ${known.join('; ')}`,
    '',
    table(
      ['node', 'site', 'id', 'has it', 'why'],
      members.map((member) => [
        member.self ? `${member.name} *` : member.name,
        member.site,
        shortId(member.id),
        haveWord(member, terminal),
        reason(member),
      ]),
    ),
  ].join('\n')
}

function haveWord({ have, should }: BlobHolder, terminal: Terminal): string {
  if (have === 'whole') return terminal.paint(should === 'must-not' ? 'red' : 'green', 'whole')
  if (have === 'unknown') return terminal.paint('yellow', 'unknown')
  return should === 'keep' ? terminal.paint('yellow', have) : have
}

function reason({ should, projects, have }: BlobHolder): string {
  const names = projects.join(', ')
  if (should === 'keep') return `keeps a copy for ${names}`
  if (should === 'must-not') {
    const since = have === 'whole' ? '; it came here before' : ''
    return `no project lets its site have it${since}`
  }
  return names === '' ? '-' : `may have it for ${names}, on demand`
}

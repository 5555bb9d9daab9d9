import type { Command } from 'commander'
import type { PlacementStatus, ProjectPlacement, SitePlacement } from '../../registry/placement-view.ts'
import { bar, formatBytes } from '../amounts.ts'
import { addConnectionFlags, connect } from '../connection.ts'
import type { CliContext } from '../context.ts'
import { table } from '../table.ts'
import type { Terminal } from '../terminal.ts'

const BAR_WIDTH = 24

export function addPlacement(program: Command, context: CliContext): void {
  const placement = program
    .command('placement')
    .summary('show how far copies are')
    .description('Where projects want their bytes kept: `flotilla project set` says it.')
  const status = placement
    .command('status')
    .summary('show for each project how many copies are where they should be')
    .description(
      'Shows for every project that asks for copies, residency or durability what each site is to keep, and how\n' +
        'much of it is there. Each member counts for itself, a few seconds after something changed.',
    )
    .option('--json', 'print one line of JSON')
  addConnectionFlags(status).action(async () => {
    const found = await (await connect(status, context)).get<PlacementStatus>('/cluster/placement')
    const { json } = status.opts<{ json?: boolean }>()
    context.terminal.out(json ? JSON.stringify(found) : render(found, context.terminal))
  })
}

function render({ projects, silent }: PlacementStatus, terminal: Terminal): string {
  const lines = projects.flatMap((project) => [...renderProject(project, terminal), ''])
  if (projects.length === 0)
    lines.push('No project asks for copies: everything is where it was pushed and pulled.', '')
  if (silent.length > 0)
    lines.push(terminal.paint('yellow', `! not asked, for they are away: ${silent.join(', ')}`), '')
  return lines.slice(0, -1).join('\n')
}

function renderProject(project: ProjectPlacement, terminal: Terminal): string[] {
  const { name, placement, residency, durability, durabilityWaitMs, durabilityFallback, sites } = project
  const words = [placement]
  if (residency !== null)
    words.push(`kept to ${residency.join(', ') || 'no site, for two settings disagree'}`)
  if (durability > 1)
    words.push(`push waits ${durabilityWaitMs / 1000} s for ${durability} sites, else ${durabilityFallback}s`)
  const head = `${terminal.paint('bold', name)}  ${words.join('; ')}`
  if (sites.length === 0) return [head]
  const columns = ['  site', 'copies', 'bytes', terminal.outputIsTerminal ? 'placed' : 'share']
  return [
    head,
    table(
      columns,
      sites.map((site) => siteRow(site, terminal)),
    ),
  ]
}

function siteRow(site: SitePlacement, terminal: Terminal): string[] {
  const share = site.wanted === 0 ? 1 : site.placed / site.wanted
  const percent = `${Math.floor(100 * share)} %`
  const placed = `${bar(Math.floor(share * BAR_WIDTH), BAR_WIDTH)} ${percent}`
  return [
    `  ${site.site}`,
    `${site.placed} of ${site.wanted}`,
    `${formatBytes(site.placedBytes)} of ${formatBytes(site.wantedBytes)}`,
    terminal.outputIsTerminal ? terminal.paint(share < 1 ? 'yellow' : 'green', placed) : percent,
  ]
}

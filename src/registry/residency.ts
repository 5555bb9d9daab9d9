import { Fault } from '../errors.ts'
import type { Journal } from '../journal/journal.ts'
import { residencyOf } from '../journal/placement-policy.ts'

/** How many nodes a client that came to the wrong one is told of. */
const NODES_NAMED_MAX = 5

/**
 * Bytes of a project come to and go from a node only where the project lets its site have them.
 * @throws Fault RESIDENCY_FORBIDS naming the sites, and nodes that do
 */
export async function requireResidency({ tables, node }: Journal, projectId: string): Promise<void> {
  const project = tables.get('projects', projectId)
  const sites = project && residencyOf(project)
  const here = tables.get('nodes', node)
  if (!sites || (here && sites.has(here.site))) return
  const nodes: { name: string; url: string }[] = []
  for await (const { row } of tables.list('nodes')) {
    const { name, url, site, state } = row
    if (state === 'member' && url !== null && sites.has(site)) nodes.push({ name, url })
    if (nodes.length === NODES_NAMED_MAX) break
  }
  const where =
    sites.size === 0 ? 'no site, until its administrators have settled which' : [...sites].join(', ')
  const instead = nodes.length === 0 ? '' : `; ask ${nodes.map(({ url }) => url).join(' or ')}`
  throw new Fault(
    'RESIDENCY_FORBIDS',
    `the bytes of project ${project.name} are kept to ${where}, and this node stands at ${here?.site}${instead}`,
    { sites: [...sites], nodes },
  )
}

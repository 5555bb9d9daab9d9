import { Fault, isFault } from '../errors.ts'
import type { ClusterStatus } from '../registry/topology.ts'
import type { NodeApi } from './node-api.ts'

/** Named in an answer: one that is reached is enough. */
const NODES_NAMED_MAX = 5

/**
 * What only an anchor decides about the cluster. Elsewhere the records refuse it without a word of why: the role of
 * the node that was asked is, with who takes it on.
 * @throws Fault NODE_ROLE_FORBIDS, or what `asked` fails with
 */
export async function atAnchor<T>(api: NodeApi, asked: () => Promise<T>): Promise<T> {
  try {
    return await asked()
  } catch (error) {
    if (!isFault(error, 'OP_REFUSED')) throw error
    const { members } = await api.get<ClusterStatus>('/cluster')
    const self = members.find((member) => member.self)
    if (!self || self.role === 'anchor') throw error
    const anchors = members.filter(({ state, role }) => state === 'member' && role === 'anchor')
    const nodes = anchors.slice(0, NODES_NAMED_MAX).map(({ name, url }) => (url ? `${name} (${url})` : name))
    const there = nodes.length > 0 ? `ask at ${nodes.join(' or ')}` : 'this node knows of no anchor'
    const message = `${self.name} has the role ${self.role}, and only an anchor decides about the cluster: ${there}`
    throw new Fault('NODE_ROLE_FORBIDS', message, { role: self.role, nodes }, error)
  }
}

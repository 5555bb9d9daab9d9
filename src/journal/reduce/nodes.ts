import { clusterIdOf, readGenesis } from '../genesis.ts'
import { byDepthThenId } from '../op.ts'
import type { NodeFacts, NodeRow } from '../rows.ts'
import type { Reducers } from './reduce.ts'

/** Gone stays gone: eviction outranks leaving, leaving outranks belonging. */
const RANK: Record<NodeRow['state'], number> = { member: 0, left: 1, evicted: 2 }

function withState(row: NodeRow, state: NodeRow['state']): NodeRow {
  return RANK[state] > RANK[row.state] ? { ...row, state } : row
}

function withFacts(row: NodeRow, facts: NodeFacts): NodeRow {
  return { ...row, ...facts, announced: true }
}

export const nodeReducers: Reducers<
  'cluster.founded' | 'node.admitted' | 'node.announced' | 'node.left' | 'node.evicted' | 'invite.created'
> = {
  'cluster.founded'(draft, op, { genesis }) {
    const facts = readGenesis(genesis)
    if (clusterIdOf(genesis) !== op.cluster) return 'the genesis is not this cluster’s'
    if (facts.founder !== op.author) return 'only the founder may write the genesis'
    if (draft.get('cluster', 'cluster')) return 'the cluster is already founded'
    draft.put('cluster', 'cluster', {
      id: op.cluster,
      name: facts.name,
      founder: facts.founder,
      genesis,
      time: facts.time,
    })
    return undefined
  },

  'node.admitted'(draft, op, { node, facts, invite }) {
    if (invite === null) {
      // Only the founder comes without an invite, and only itself.
      if (draft.get('cluster', 'cluster')?.founder !== node || op.author !== node)
        return 'an invite is missing'
    } else {
      const row = draft.get('invites', invite)
      if (!row) return 'the invite is unknown'
      if (row.issuer !== op.author) return 'an invite is redeemed at the node that made it'
      if (row.redeemedBy !== null && row.redeemedBy !== node) return 'the invite has been used'
      draft.put('invites', invite, { ...row, redeemedBy: node })
    }
    // Whether it was evicted meanwhile, or admitted elsewhere, must not matter to what the invite says.
    const known = draft.get('nodes', node)
    const admission = { id: op.id, depth: op.depth }
    const admitted = { admission, admittedAt: op.time, admittedBy: op.author }
    if (!known)
      draft.put('nodes', node, { id: node, state: 'member', announced: false, ...admitted, ...facts })
    else if (byDepthThenId(admission, known.admission) < 0)
      draft.put('nodes', node, { ...known, ...admitted, ...(known.announced ? {} : facts) })
    return undefined
  },

  'node.announced'(draft, op, { facts }) {
    const row = draft.get('nodes', op.author)
    if (!row) return 'the node was never admitted'
    draft.put('nodes', op.author, withFacts(row, facts))
    return undefined
  },

  'node.left'(draft, op) {
    const row = draft.get('nodes', op.author)
    if (!row) return 'the node was never admitted'
    draft.put('nodes', op.author, withState(row, 'left'))
    return undefined
  },

  'node.evicted'(draft, _op, { node }) {
    const row = draft.get('nodes', node)
    if (!row) return 'the node was never admitted'
    draft.put('nodes', node, withState(row, 'evicted'))
    return undefined
  },

  'invite.created'(draft, op, { invite, verifier, expiresAt }) {
    if (draft.get('invites', invite)) return 'the invite’s id is taken'
    draft.put('invites', invite, { id: invite, issuer: op.author, verifier, expiresAt, redeemedBy: null })
    return undefined
  },
}

import type { Check } from '../runtime.ts'

/** How a node stands in its cluster, by its own records. */
export interface Standing {
  readonly clusterName: string
  readonly state: 'pending' | 'member' | 'left' | 'evicted' | undefined
  /** Of one that was evicted: the node that said so, and why, where that is known. */
  readonly by?: string | undefined
  readonly why?: string | undefined
}

const advice =
  'to come back it has to be a new node: `flotilla invite` at a member, then `flotilla join INVITE` here with a fresh --data-dir'

/** A node that is out by its own records would stop as soon as it is started. */
export function checkMembership({ clusterName, state, by, why }: Standing): Check {
  const name = 'membership'
  if (state === 'left') {
    const detail = `this node has left cluster ${clusterName}, and serves no more`
    return { name, status: 'fail', detail, advice }
  }
  if (state !== 'evicted') return { name, status: 'ok', detail: `of cluster ${clusterName}` }
  const said = `${by === undefined ? '' : ` by ${by}`}${why === undefined ? '' : ` (${why})`}`
  const detail = `this node was evicted from cluster ${clusterName}${said}, and serves no more`
  return { name, status: 'fail', detail, advice }
}

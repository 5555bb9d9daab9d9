import { AUTHORITY, type FeedId, type Op } from '../../src/journal/op.ts'
import { type Book, held } from './book.ts'
import { lostAcknowledged } from './checkers/acknowledged.ts'
import { disagreement, type Standing } from './checkers/agreement.ts'
import { administrators, brokenChain, stateHashOf } from './checkers/disk-state.ts'
import { admittedAlone, misjudgedByEviction, unrecovered } from './checkers/membership.ts'
import type { SignedBlocks } from './checkers/signed-blocks.ts'
import type { SimNode } from './node.ts'
import { floorOf, type NodeLogs } from './node-logs.ts'
import { opsOf } from './reference/past.ts'
import { unlikeReference } from './reference-state.ts'
import type { Rescued } from './rescued.ts'
import type { Keys } from './signatures.ts'

/** What the checks at the end ask of whoever saw the run. */
export interface Seen {
  readonly keys: Keys
  readonly cluster: string
  readonly logs: NodeLogs
  readonly signedBlocks: SignedBlocks
  readonly rescued: Rescued
  /** Nodes that were evicted or lie: what they acknowledged last may have died with them. */
  readonly excused: ReadonlySet<string>
  /** Nodes that went back to an old copy of their disk. */
  readonly relapsed: ReadonlySet<string>
  readonly bookOf: (node: SimNode) => Book
  /** Whether the recovery key of this cluster signed it. */
  readonly isRecovery: (signature: Uint8Array) => boolean
  readonly hold: (promise: string, node: SimNode | undefined, wrong: string | undefined) => void
}

/** When all faults are over and the nodes have come together. */
export async function holdFinally(nodes: readonly SimNode[], seen: Seen): Promise<void> {
  seen.hold('I3 the same entries give the same state', undefined, disagreement(standings(nodes)))
  for (const node of nodes) await holdAtEach(node, nodes, seen)
  const [first] = nodes
  if (first) holdOfAll(first, seen)
}

async function holdAtEach(node: SimNode, nodes: readonly SimNode[], seen: Seen): Promise<void> {
  const { hold, keys, cluster } = seen
  const { journal } = node
  if (!journal) return
  const { rows } = node.disk
  const claimed = journal.stateHash()
  hold('I1 what was acknowledged is everywhere in the end', node, lostOfAll(node, nodes, seen))
  const forgotten = seen.rescued.lostAt(node, nodes)
  hold('I1 what a restored node had acknowledged is kept by who held it', node, forgotten)
  if (stateHashOf(rows) !== claimed) {
    hold('I3 the state hash is that of the rows', node, `it claims ${claimed}`)
  }
  const logs = { rows, frontier: journal.frontier(), floor: (feed: FeedId) => floorOf(node, feed) ?? 1 }
  hold('feeds are gapless and in causal order', node, await brokenChain(logs, keys, cluster))
  const wrong = seen.bookOf(node).rights.violation(held(journal), true)
  hold('I4 a revocation beats what had not seen it', node, wrong)
  // What a fork takes back may be what made the last one; the recovery key was used by now.
  if (administrators(rows).length === 0 && !isFromBefore(nodes, seen))
    hold('I12 at least one administrator', node, 'there is none')
}

/**
 * The disks of all that are left were put back to what they held before the first account reached them, or never
 * held one: nobody can know of an administrator, and nothing was decided that took one away.
 */
function isFromBefore(nodes: readonly SimNode[], { relapsed, bookOf }: Seen): boolean {
  return nodes.some(({ id }) => relapsed.has(id)) && !nodes.some((node) => bookOf(node).rights.knowsAccounts)
}

/** What can be told at any one of them, for by now all have the same. */
function holdOfAll(node: SimNode, { hold, logs, isRecovery }: Seen): void {
  if (!node.journal) return
  const entries = logs.entriesOf(node)
  const { tables } = node.journal
  const ops = opsOf(entries.filter(({ lane }) => lane === AUTHORITY))
  hold('I6 an eviction counts as far as it says', node, misjudgedByEviction(ops, tables))
  hold('a second consent is somebody else’s', node, admittedAlone(ops, tables))
  hold('I7 only the recovery key of this cluster opens it', node, unrecovered(ops, tables, isRecovery))
  const isCompacted = ({ dot }: Op) => dot.seq <= (floorOf(node, dot.feed) ?? 0)
  const unlike = unlikeReference(entries, node.disk.rows, node.journal.stateHash(), isCompacted)
  hold('I3-reference the rows are those of the reference', node, unlike)
}

function lostOfAll(node: SimNode, nodes: readonly SimNode[], seen: Seen): string | undefined {
  const { bookOf, excused, signedBlocks, logs } = seen
  const promising = nodes.filter(({ id }) => !excused.has(id))
  const acknowledged = promising.flatMap((one) => bookOf(one).acknowledged)
  const sound = acknowledged.filter(({ feed }) => !signedBlocks.forked.has(feed))
  return lostAcknowledged(sound, (feed, seq) => logs.hashHeld(node, feed, seq))
}

/** Where each of them stands. */
export function standings(nodes: readonly SimNode[]): Standing[] {
  return nodes.flatMap((node) => {
    const { journal } = node
    if (!journal) return []
    const { heads, digest } = journal.position()
    const { name, disk } = node
    const isForked = (feed: FeedId) => journal.isForked(feed)
    return [{ name, heads, digest, stateHash: journal.stateHash(), rows: disk.rows, isForked }]
  })
}

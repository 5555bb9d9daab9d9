import { isFault } from '../../src/errors.ts'
import { clusterIdOf, readGenesis } from '../../src/journal/genesis.ts'
import {
  AUTHORITY,
  type Entry,
  type FeedId,
  type Frontier,
  type Lane,
  parseFeedId,
} from '../../src/journal/op.ts'
import type { Block } from './block-format.ts'

/** What is known of a feed at the moment of judging. */
export interface FeedPoint {
  readonly seq: number
  readonly depth: number
  readonly seen: Frontier
  readonly hash: string | undefined
}

/** What an entry is held against: the feeds as they stand with the entries judged just before. */
export interface View {
  feed(feed: FeedId): FeedPoint
  /** Depth and hash of an entry that is here. */
  at(feed: FeedId, seq: number): { readonly depth: number; readonly hash: string } | undefined
  /** The author has been admitted at some time, whatever became of it since. */
  isAdmitted(author: string): boolean
  /** The feed goes no further here. */
  isForked(feed: FeedId): boolean
  /** What admitted the feed's author was taken back: of what others have seen of it nothing is ever here. */
  isDisowned(feed: FeedId): boolean
  /** The first number of it that counts nowhere; infinite while there is none. */
  forkedAt(feed: FeedId): number
  /** A month of trail that is kept no longer. */
  isExpired(lane: Lane): boolean
  /** The first entry of the feed whose log is here; of those before it neither depth nor hash is known. */
  floor(feed: FeedId): number
}

export type Refusal = 'AUTHOR_UNKNOWN' | 'FEED_FORKED' | 'CHAIN_BROKEN' | 'CONTEXT_INVALID' | 'DEPTH_INVALID'

export type Verdict =
  | { readonly is: 'fit' }
  | { readonly is: 'known' }
  /** Something it depends on is not here yet. */
  | { readonly is: 'early' }
  | { readonly is: 'fork'; readonly held: string }
  | { readonly is: 'refused'; readonly code: Refusal }

/** How far beyond what is held of a forked feed others' entries may claim to have seen of it. */
const FORKED_AHEAD_MAX = 10_000
/** The same of a feed that was dropped whole. */
const DISOWNED_AHEAD_MAX = 10_000_000

const refused = (code: Refusal): Verdict => ({ is: 'refused', code })

/**
 * Whether a signed block may be applied now. Only structure decides, with conditions that cannot turn from
 * true to false later, so nodes that judge at different times come to the same history. No policy here.
 */
export function judge(block: Block, view: View, cluster: string): Verdict {
  const { entry, feed } = block
  const before = view.feed(feed)
  if (entry.seq <= before.seq) {
    const held = view.at(feed, entry.seq)?.hash
    if (held === undefined || held === block.hash) return { is: 'known' }
    // A fork before the one that is known.
    if (view.isForked(feed) && entry.seq < view.forkedAt(feed)) return { is: 'fork', held }
    return view.isForked(feed) ? refused('FEED_FORKED') : { is: 'fork', held }
  }
  if (view.isExpired(entry.lane)) return { is: 'known' }
  if (entry.seq >= view.forkedAt(feed)) return refused('FEED_FORKED')
  if (!view.isAdmitted(entry.author) && !foundsCluster(entry, cluster)) return refused('AUTHOR_UNKNOWN')
  if (!mayHaveSeen(entry, feed)) return refused('CONTEXT_INVALID')
  if (entry.seq > before.seq + 1) return { is: 'early' }
  if (block.next !== before.hash) return refused('CHAIN_BROKEN')
  return judgeContext(entry, feed, before, view)
}

/** An entry refers to its own past, to its lane, and to the rights it was decided under. */
function mayHaveSeen(entry: Entry, feed: FeedId): boolean {
  return Object.entries(entry.seen).every(([other, seq]) => {
    if (other === feed) return seq === entry.seq - 1
    const { lane } = parseFeedId(other)
    return lane === entry.lane || lane === AUTHORITY
  })
}

function judgeContext(entry: Entry, feed: FeedId, before: FeedPoint, view: View): Verdict {
  let depth = before.depth
  // What the pruned entries among those it has seen may have had at most.
  let pruned = 0
  let blind = false
  for (const [other, seq] of Object.entries(entry.seen)) {
    if (seq < (before.seen[other] ?? 0)) return refused('CONTEXT_INVALID')
    if (other === feed) continue
    const known = view.feed(other).seq
    const isForked = view.isForked(other)
    if (isForked || view.isDisowned(other)) {
      if (seq > known + (isForked ? FORKED_AHEAD_MAX : DISOWNED_AHEAD_MAX)) return refused('CONTEXT_INVALID')
      blind = true
    } else if (seq > known) return { is: 'early' }
    else if (seq < view.floor(other)) pruned = Math.max(pruned, view.at(other, view.floor(other))?.depth ?? 0)
    else {
      const seen = view.at(other, seq)
      // Held once, and not to be read now: nothing is to be held against the entry for that.
      if (!seen) return { is: 'early' }
      depth = Math.max(depth, seen.depth)
    }
  }
  if (!blind && pruned > depth) {
    // Depth grows along a feed, so it lies between what is known and what the floor's entry has.
    return entry.depth > depth && entry.depth <= pruned ? { is: 'fit' } : refused('DEPTH_INVALID')
  }
  if (!blind) return entry.depth === depth + 1 ? { is: 'fit' } : refused('DEPTH_INVALID')
  // A fork has two depths for one seq, and which one the author saw is not to be known. No line of causes
  // is longer than all the entries in it; but what it has seen may rest on what was taken back meanwhile, and
  // is named by nobody any more.
  const past: Frontier = { ...before.seen, ...entry.seen }
  const entries = Object.values(past).reduce((sum, seq) => sum + seq, 0)
  const longest = Math.max(entries + FORKED_AHEAD_MAX, depth) + 1
  return entry.depth > depth && entry.depth <= longest ? { is: 'fit' } : refused('DEPTH_INVALID')
}

/** The first entry of all: nobody has admitted the founder, but the genesis names it and the cluster's id pins the genesis. */
export function foundsCluster(entry: Entry, cluster: string): boolean {
  const [first] = entry.ops
  if (entry.lane !== AUTHORITY || entry.seq !== 1 || first?.kind !== 'cluster.founded') return false
  const { genesis } = Object(first.body) as { genesis?: unknown }
  if (!(genesis instanceof Uint8Array) || clusterIdOf(genesis) !== cluster) return false
  try {
    return readGenesis(genesis).founder === entry.author
  } catch (error) {
    if (isFault(error, 'GENESIS_INVALID')) return false
    throw error
  }
}

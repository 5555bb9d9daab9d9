import { type Entry, type FeedId, feedOf } from '../../../src/journal/op.ts'
import type { Site } from './site.ts'

/** How entries reach a site. */
export interface Delivery {
  /** Decides the order among what may come next. */
  readonly salt: number
  /** So many at once. */
  readonly batch: number
  /** Entries come twice. */
  readonly twice: boolean
  /** Entries are tried before what they rest on is there. */
  readonly early: boolean
}

export const PLAIN: Delivery = { salt: 0, batch: 1000, twice: false, early: false }

/**
 * Gives a site all of `entries` it lacks, in an order the delivery picks, and waits until what had to be decided
 * again has been.
 * @throws Error when a site takes what it holds, or what it cannot place yet
 */
export async function deliver(site: Site, entries: readonly Entry[], delivery: Delivery): Promise<void> {
  const { batch, twice, early } = delivery
  const have = new Map<FeedId, number>(Object.entries(site.sequencer.frontier()))
  const left = entries.filter((entry) => entry.seq > (have.get(feedOf(entry)) ?? 0))
  const random = mulberry(delivery.salt)
  let group: Entry[] = []
  const send = async () => {
    if (group.length > 0 && (await site.take(group)) !== group.length)
      throw new Error('a batch in order was not taken')
    if (twice && group[0] && (await site.take(group.slice(0, 1))) !== 0)
      throw new Error('an entry was taken twice')
    group = []
  }
  while (left.length > 0) {
    const ready = left.filter((entry) => isNext(entry, have))
    const entry = ready[Math.floor(random() * ready.length)]
    if (!entry) throw new Error(`${left.length} entries rest on something nobody holds`)
    const ahead = early ? left.find((one) => !ready.includes(one)) : undefined
    if (ahead) {
      await send()
      if (!site.sequencer.missing(ahead) || (await site.take([ahead])) !== 0) {
        throw new Error('an entry was taken before what it rests on')
      }
    }
    left.splice(left.indexOf(entry), 1)
    have.set(feedOf(entry), entry.seq)
    group.push(entry)
    if (group.length >= batch) await send()
  }
  await send()
  await site.sequencer.settled()
}

function isNext(entry: Entry, have: ReadonlyMap<FeedId, number>): boolean {
  if (entry.seq !== (have.get(feedOf(entry)) ?? 0) + 1) return false
  return Object.entries(entry.seen).every(([feed, seq]) => (have.get(feed) ?? 0) >= seq)
}

/** A small generator of its own, so that a delivery is a number. */
function mulberry(salt: number): () => number {
  let state = salt >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32
  }
}

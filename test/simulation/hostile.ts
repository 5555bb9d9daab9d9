import { encode } from 'cborg'
import { frontierOf, positionHash } from '../../cluster/ledger/snapshots/lane-position.ts'
import { writeSnapshot } from '../../cluster/ledger/snapshots/snapshot-form.ts'
import { topicsOf } from '../../cluster/network/topics.ts'
import { op } from '../../src/journal/kinds.ts'
import { type RawRow, RowsSum } from '../../src/journal/lane-rows.ts'
import { AUTHORITY, CATALOG, type Entry, type Frontier, feedId, type NewOp } from '../../src/journal/op.ts'
import { digestOf } from './blobs.ts'
import type { SimNode } from './node.ts'
import type { Oracle } from './oracle.ts'
import { hashOf, type Keys, signBlock } from './signatures.ts'
import type { SeededRandom } from './world/random.ts'

export type Lie =
  | 'equivocate'
  | 'back-date'
  | 'ignorant'
  | 'stranger'
  | 'unlinked'
  | 'poison'
  | 'forget'
  | 'hole'
  | 'forge'
  | 'replay'
  | 'junk'
  | 'flood'
  | 'false-snapshot'

export const LIES: Readonly<Record<Lie, number>> = {
  equivocate: 1,
  /** Has not seen what took the right away, but what it speaks of. */
  'back-date': 6,
  /** Speaks of what it claims never to have seen. */
  ignorant: 2,
  /** Writes under a name nobody ever admitted. */
  stranger: 2,
  /** Does not go on from its own last entry. */
  unlinked: 5,
  /** Poisons clocks and depths. */
  poison: 4,
  /** Has seen less than it had. */
  forget: 4,
  hole: 2,
  forge: 4,
  replay: 3,
  junk: 4,
  flood: 1,
  /** Says of a lane what is not so, in bytes or in words. */
  'false-snapshot': 6,
}

/** Blocks of one flood: more than a node parks. */
const FLOOD_BLOCKS = 1200

/**
 * A member that turned: it holds its own key and knows what it was told, and signs and sends whatever suits
 * it. It cannot sign for others.
 */
export class Liar {
  readonly #node: SimNode
  readonly #keys: Keys
  readonly #oracle: Oracle
  readonly #cluster: string
  readonly #random: SeededRandom
  readonly #seen: Uint8Array[] = []

  constructor(parts: { node: SimNode; keys: Keys; oracle: Oracle; cluster: string; random: SeededRandom }) {
    this.#node = parts.node
    this.#keys = parts.keys
    this.#oracle = parts.oracle
    this.#cluster = parts.cluster
    this.#random = parts.random
  }

  /** @param ops what it would like to be true */
  lie(lie: Lie, others: readonly SimNode[], ops: () => NewOp): void {
    const audience = others.map(({ id }) => id)
    switch (lie) {
      case 'equivocate': {
        const half = this.#random.sample(audience, Math.ceil(audience.length / 2))
        const [one, two] = [this.#sign(this.#entry(ops())), this.#sign(this.#entry(ops()))]
        this.#tell([one], half)
        this.#tell(
          [two],
          audience.filter((id) => !half.includes(id)),
        )
        this.#believe(one)
        return
      }
      case 'back-date':
      case 'ignorant': {
        const wish = ops()
        const seen = lie === 'ignorant' ? {} : this.#oldView(wish)
        const block = this.#sign(this.#entry(wish, { seen }))
        this.#tell([block], audience)
        this.#believe(block)
        return
      }
      case 'poison': {
        const poison = this.#random.pick<Partial<Entry>>([
          { depth: 2 ** 47 },
          { depth: 1 },
          { time: 2 ** 48 },
        ])
        // Not believed by itself: only a wrong clock alone is no lie about structure.
        return this.#tell([this.#sign(this.#entry(ops(), poison))], audience)
      }
      case 'forget': {
        const before = this.#oracle.past(this.#node).seen(feedId(AUTHORITY, this.#node.id))
        const less = Object.entries(before).filter(
          ([other, seq]) => seq > 1 && !other.includes(this.#node.id),
        )
        const seen = Object.fromEntries(less.map(([other, seq]) => [other, seq - 1]))
        return this.#tell([this.#sign(this.#entry(ops(), { seen }))], audience)
      }
      case 'stranger': {
        const id = this.#keys.create()
        const entry = { ...this.#entry(ops()), author: id, seq: 1, seen: {}, depth: 1 }
        const block = signBlock(this.#keys, id, entry, undefined)
        this.#oracle.lied(block)
        return this.#tell([block], audience)
      }
      case 'unlinked':
        return this.#tell([this.#sign(this.#entry(ops()), 'elsewhere')], audience)
      case 'hole':
        return this.#tell([this.#sign({ ...this.#entry(ops()), seq: this.#seq() + 2 })], audience)
      case 'forge': {
        const victim = this.#random.pick(others)
        return this.#tell([this.#forged(victim, ops())], audience)
      }
      case 'replay':
        return this.#tell(this.#random.sample(this.#seen, 8), audience)
      case 'junk':
        return this.#junk(audience)
      case 'false-snapshot':
        // A disk that fails, a lane without rows: it lies another time.
        void this.#misdescribe().catch(() => {})
        return
      case 'flood': {
        const entry = this.#entry(ops())
        const from = this.#seq() + 10
        const victims = this.#random.sample(audience, 1)
        for (let seq = from; seq < from + FLOOD_BLOCKS; seq += 200) {
          const blocks = Array.from({ length: 200 }, (_, n) => this.#sign({ ...entry, seq: seq + n }))
          this.#tell(blocks, victims)
        }
      }
    }
  }

  /**
   * Honest, but of a newer version: writes a kind, or a version of one, that the others do not know.
   * @returns once its own node has it, and the others were told
   */
  async ahead(others: readonly SimNode[], wish: NewOp): Promise<void> {
    const newer = this.#random.chance(0.5) ? { kind: 'simulated.later' } : { version: 9 }
    const entry = this.#entry(wish)
    const block = this.#written({ ...entry, ops: entry.ops.map((one) => ({ ...one, ...newer })) })
    this.#oracle.writesAhead(this.#node, block)
    const { journal } = this.#node
    await journal?.take([block], this.#node.id)
    // It may have gone down meanwhile.
    if (!journal || journal !== this.#node.journal) return
    const seq = journal.frontier()[feedId(AUTHORITY, this.#node.id)] ?? 0
    this.#oracle.writtenAhead(this.#node, { seq: entry.seq, hash: hashOf(block) }, seq >= entry.seq)
    if (seq === entry.seq)
      this.#tell(
        [block],
        others.map(({ id }) => id),
      )
  }

  #seq(): number {
    return this.#oracle.past(this.#node).seqs.get(feedId(AUTHORITY, this.#node.id)) ?? 0
  }

  /** What was to be seen when the things that `op` speaks of had just been made, and a little more. */
  #oldView(op: NewOp): Frontier {
    const past = this.#oracle.past(this.#node)
    const before = past.seen(feedId(AUTHORITY, this.#node.id))
    const seen: Record<string, number> = {}
    const see = (feed: string, seq: number) => {
      if (seq > (seen[feed] ?? before[feed] ?? 0)) seen[feed] = seq
    }
    for (const named of Object.values(Object(op.body) as object)) {
      const made = this.#oracle.placeOf(String(named))
      if (made) see(made.feed, made.seq)
    }
    for (const [feed, seq] of past.seqs) {
      if (feed.startsWith(`${AUTHORITY}@`) && this.#random.chance(0.3))
        see(feed, 1 + this.#random.integer(seq))
    }
    return seen
  }

  /** The next of its own feed, as an honest node would write it but for what `changes` says. */
  #entry(op: NewOp, changes: Partial<Entry> = {}): Entry {
    const past = this.#oracle.past(this.#node)
    const feed = feedId(AUTHORITY, this.#node.id)
    const known = Object.fromEntries([...past.seqs].filter(([other]) => other.startsWith(`${AUTHORITY}@`)))
    const before = past.seen(feed)
    const fresh: Frontier = Object.fromEntries(
      Object.entries(known).filter(([other, seq]) => before[other] !== seq),
    )
    const seen = changes.seen ?? fresh
    const own = this.#seq()
    const depth = past.depthAfter({ ...before, ...seen, ...(own > 0 && { [feed]: own }) })
    const ops = [{ ...op, version: 1 }]
    const entry = {
      format: 1,
      cluster: this.#cluster,
      lane: AUTHORITY,
      author: this.#node.id,
      seq: own + 1,
    } as const
    // An entry that has seen anything of its own feed says so, and says how far.
    const honest = own > 0 && before[feed] !== own ? { ...seen, [feed]: own } : seen
    return { ...entry, depth, time: this.#node.clock.now(), ops, ...changes, seen: honest }
  }

  #written(entry: Entry, before?: string): Uint8Array {
    const feed = feedId(AUTHORITY, this.#node.id)
    const next = before ?? this.#node.journal?.position().heads.get(feed)?.hash
    return signBlock(this.#keys, this.#node.id, entry, entry.seq === 1 ? undefined : (next ?? 'x'))
  }

  #sign(entry: Entry, before?: string): Uint8Array {
    const block = this.#written(entry, before)
    this.#oracle.lied(block)
    this.#seen.push(block)
    return block
  }

  /** In another's name, with its own key: right in everything but the signature. */
  #forged(victim: SimNode, op: NewOp): Uint8Array {
    const feed = feedId(AUTHORITY, victim.id)
    const past = this.#oracle.past(this.#node)
    const seq = past.seqs.get(feed) ?? 0
    const head = this.#node.journal?.position().heads.get(feed)?.hash
    const seen = seq > 0 ? { [feed]: seq } : {}
    const entry = this.#entry(op)
    const depth = past.depthAfter({ ...past.seen(feed), ...seen })
    const forged = { ...entry, author: victim.id, seq: seq + 1, seen, depth }
    return signBlock(
      this.#keys,
      this.#node.id,
      forged,
      seq === 0 ? undefined : (head ?? hashOf(new Uint8Array())),
    )
  }

  /** A snapshot of which some rows are missing; the words that go with it are true or not. */
  async #misdescribe(): Promise<void> {
    const { up } = this.#node
    if (!up?.blobs) return
    const { journal } = up
    const { position, rows } = await journal.lanes.capture(CATALOG)
    const kept: RawRow[] = []
    for await (const row of rows) if (!this.#random.chance(0.2)) kept.push(row)
    const sum = new RowsSum()
    for (const row of kept) sum.add(row)
    const told = this.#random.chance(0.5) ? position : { ...position, rowsHash: sum.hex }
    const blockOf = ({ feed, seq }: { feed: string; seq: number }) =>
      journal.lanes.blockAt(feed, seq) ?? new Uint8Array()
    const frames: Uint8Array[] = []
    for await (const frame of writeSnapshot(journal.cluster, told, blockOf, iterate(kept))) frames.push(frame)
    const bytes = Buffer.concat(frames)
    const digest = digestOf(bytes)
    const staged = await up.blobs.stage()
    await staged.write(bytes, 0)
    await staged.commit(digest)
    const body = {
      lane: CATALOG,
      frontier: frontierOf(told.points),
      authority: told.authority,
      stateHash: positionHash(told),
      digest,
      bytes: bytes.length,
    }
    await journal.commit(AUTHORITY, () => [op('lane.snapshotted', body, 'node')])
  }

  #junk(audience: readonly string[]): void {
    const junk = this.#random.bytes(this.#random.integer(200))
    if (this.#random.chance(0.5)) this.#tell([junk], audience)
    else this.#send(junk, audience)
  }

  #tell(blocks: readonly Uint8Array[], audience: readonly string[]): void {
    if (blocks.length > 0) this.#send(encode(blocks), audience)
  }

  #send(message: Uint8Array, audience: readonly string[]): void {
    const { entries } = topicsOf(this.#cluster)
    this.#node.up?.network.send(entries, message, new Map(audience.map((id) => [id, 1])))
  }

  /** Its own node takes the lie for its next entry, so that it can go on from there. */
  #believe(block: Uint8Array): void {
    void this.#node.journal?.take([block], this.#node.id).catch(() => {})
  }
}

async function* iterate<T>(items: readonly T[]): AsyncGenerator<T> {
  yield* items
}

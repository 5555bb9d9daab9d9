import { decode, encode } from 'cborg'
import { Fault } from '../../src/errors.ts'
import { entitiesOf } from '../../src/journal/authority/entities.ts'
import { retractedTag } from '../../src/journal/content/retracted-tags.ts'
import type { TableChange, Tables } from '../../src/journal/journal.ts'
import type { Write } from '../../src/journal/key-value.ts'
import type { KindName } from '../../src/journal/kinds.ts'
import { type FeedId, type Frontier, familyOf, type OpId, opsOf, parseFeedId } from '../../src/journal/op.ts'
import type { RetractedRow } from '../../src/journal/rows.ts'
import type { Sequencer } from '../../src/journal/sequencer.ts'
import type { BlockFormat } from './block-format.ts'
import { isAdmitted } from './disowned.ts'
import type { Fork, Forks } from './forks.ts'
import { blockKey, encodeHeads, headKey, indexKey } from './layout.ts'
import { Retelling, type RetellingParts } from './retelling.ts'
import { RETRACTED, RETRACTED_TAGS } from './shadow-rows.ts'

export interface QuarantineParts extends Omit<RetellingParts, 'entryOf'> {
  readonly format: BlockFormat
  readonly sequencer: Sequencer
  readonly tables: Pick<Tables, 'get'>
  readonly forks: Forks
  /** Resolves once all that was judged before this moment is applied or dropped. */
  readonly idle: () => Promise<void>
  /** The logs and tables have been changed behind everybody's back. */
  readonly onStraightened: (changes: readonly TableChange[]) => void
}

/** Parts of a push that is told by its tag, and what is no matter to anybody. */
const UNLISTED: ReadonlySet<string> = new Set<KindName>([
  'blob.linked',
  'blob.unlinked',
  'node.announced',
  'lane.snapshotted',
  'lane.attested',
])

/** Feeds whose author signed two histories: how it is proved, and how what lies behind the fork is taken back. */
export class Quarantine {
  readonly #parts: QuarantineParts

  constructor(parts: QuarantineParts) {
    this.#parts = parts
  }

  forks(): readonly Fork[] {
    return this.#parts.forks.list()
  }

  /** Tells of each proof once it is durable. */
  onFork(listener: (fork: Fork) => void): () => void {
    return this.#parts.forks.onFork(listener)
  }

  /**
   * Takes in a proof that another member found.
   * @throws Fault FORK_UNPROVEN, or what is wrong with the blocks
   */
  async takeProof(pair: readonly [Uint8Array, Uint8Array]): Promise<void> {
    const { format, cluster, tables, forks } = this.#parts
    const [a, b] = await Promise.all(pair.map((bytes) => format.read(bytes, cluster)))
    if (!a || !b || a.feed !== b.feed || a.entry.seq !== b.entry.seq || a.hash === b.hash)
      throw new Fault('FORK_UNPROVEN', 'the blocks are not two of one number')
    const { feed } = a
    if (!isAdmitted(a.entry.author, tables))
      throw new Fault('FORK_UNPROVEN', 'the node was never admitted', { feed })
    await Promise.all([a.verify(), b.verify()])
    const blocks = { heldBlock: a.bytes, rivalBlock: b.bytes }
    await forks.record({ feed, seq: a.entry.seq, held: a.hash, rival: b.hash, ...blocks })
  }

  /** Feeds of which entries are applied here that count nowhere. */
  astray(): FeedId[] {
    const frontier = this.#parts.sequencer.frontier()
    return this.forks()
      .map(({ feed }) => feed)
      .filter((feed) => (frontier[feed] ?? 0) >= this.#parts.forks.at(feed))
  }

  /**
   * Takes everything back that lies behind a fork, so that all members hold the same, whichever branch reached
   * them first: the tables are told anew without it, and exchanged in one batch.
   * @throws Fault SNAPSHOT_UNREACHABLE where the bytes that stand for older entries are not here,
   * RETELLING_OVERTAKEN where more of them were let go meanwhile: it can be tried again
   */
  async straighten(): Promise<void> {
    const { store, sequencer, format, idle, onStraightened } = this.#parts
    // What was found fit before the proof came may be about to be applied.
    await idle()
    await sequencer.freeze(() => {})
    const astray = this.astray()
    if (astray.length === 0) return
    const retelling = new Retelling({
      ...this.#parts,
      entryOf: (block) => format.entryOf(block),
    })
    let told: readonly TableChange[] = []
    try {
      await retelling.begin()
      // Most of it beside everything else; what is written meanwhile in the writer's own turn.
      await retelling.tell(this.#straight())
      await sequencer.replace(async () => {
        await retelling.tell(this.#straight())
        if (!retelling.isCurrent)
          throw new Fault('RETELLING_OVERTAKEN', 'older entries were let go while the past was told anew', {
            astray,
          })
        const { writes, changes } = await retelling.difference()
        const from = this.#cutsFrom(retelling.disowned)
        await store.write([...writes, ...this.#retractions(from), ...this.#cuts(from)])
        told = changes
      })
      // It has happened, whatever becomes of what is to be cleared away behind it.
      onStraightened(told)
    } finally {
      await retelling.end()
    }
  }

  /** What was taken back and counts again, since a snapshot stands for it, is listed no more. */
  async forgetRestored(): Promise<void> {
    const { store, sequencer, forks } = this.#parts
    await sequencer.replace(async () => {
      const writes: Write[] = []
      for await (const [key, bytes] of store.range({ gte: RETRACTED, lt: `${RETRACTED}\u{10FFFF}` })) {
        const { dot } = decode(bytes) as RetractedRow
        if (dot.seq < forks.at(dot.feed) && (sequencer.frontier()[dot.feed] ?? 0) >= dot.seq)
          writes.push({ type: 'del', key })
      }
      if (writes.length > 0) await store.write(writes)
    })
  }

  /** Of what is cut off, what counted so far, for people to see: nobody else may have held it. */
  #retractions(cuts: ReadonlyMap<FeedId, number>): Write[] {
    const { feeds, sequencer, format, tables } = this.#parts
    const frontier = sequencer.frontier()
    const tags = new Map<string, OpId[]>()
    const retracted = [...cuts].flatMap(([feed, from]) => {
      const writes: Write[] = []
      const family = familyOf(parseFeedId(feed).lane)
      for (let seq = from; seq <= (frontier[feed] ?? 0); seq++) {
        const block = feeds.checked(feed, seq)
        if (!block) continue
        for (const one of opsOf(format.entryOf(block.bytes), {})) {
          const { id, kind, actor, author, time, dot, body } = one
          if (UNLISTED.has(kind) || family === 'trail' || tables.get('ineffective', `${family}/${id}`))
            continue
          const entity = family === 'authority' ? (entitiesOf(one)[0] ?? null) : null
          const row: RetractedRow = { kind, actor, author, time, dot, body, entity }
          writes.push({ type: 'put', key: RETRACTED + id, value: encode(row) })
          const tag = retractedTag(row)
          if (tag !== undefined) tags.set(tag, [...(tags.get(tag) ?? []), id])
        }
      }
      return writes
    })
    const waiting = [...tags].map(([tag, ids]): Write => {
      const all = new Set([...(tables.get('retractedTags', tag)?.ids ?? []), ...ids])
      return { type: 'put', key: RETRACTED_TAGS + tag, value: encode({ ids: [...all] }) }
    })
    return [...retracted, ...waiting]
  }

  /** The frontier, each feed up to its fork. */
  #straight(): Frontier {
    const { sequencer, forks } = this.#parts
    const feeds = Object.entries(sequencer.frontier())
    const cut = feeds.map(([feed, seq]) => [feed, Math.min(seq, forks.at(feed) - 1)] as const)
    return Object.fromEntries(cut.filter(([, seq]) => seq > 0))
  }

  /** The first number of each feed that goes: behind a fork, or of whoever was admitted behind one. */
  #cutsFrom(disowned: ReadonlyMap<FeedId, number>): Map<FeedId, number> {
    const { forks } = this.#parts
    const cuts = new Map(this.forks().map(({ feed }) => [feed, forks.at(feed)]))
    for (const [feed, seq] of disowned) cuts.set(feed, Math.min(seq, cuts.get(feed) ?? seq))
    return cuts
  }

  /** The blocks that go from the logs. */
  #cuts(cuts: ReadonlyMap<FeedId, number>): Write[] {
    const { feeds, sequencer, format } = this.#parts
    const frontier = sequencer.frontier()
    return [...cuts].flatMap(([feed, from]) => {
      const writes: Write[] = []
      for (let seq = from; seq <= (frontier[feed] ?? 0); seq++) {
        const hash = feeds.at(feed, seq)?.hash
        writes.push({ type: 'del', key: blockKey(feed, seq) })
        if (hash !== undefined) writes.push({ type: 'del', key: indexKey(feed, hash) })
      }
      if (writes.length === 0) return []
      const last = feeds.at(feed, from - 1)
      if (!last) return [...writes, { type: 'del' as const, key: headKey(feed) }]
      const before = format.nextOf(last.bytes)
      const heads = encodeHeads(last.hash, before === undefined ? [] : [before])
      return [...writes, { type: 'put' as const, key: headKey(feed), value: heads }]
    })
  }
}

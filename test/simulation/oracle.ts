import type { Block } from '../../cluster/ledger/block-format.ts'
import { blockKey, decodeBlock, installingKey } from '../../cluster/ledger/layout.ts'
import type { ReplicatedJournal } from '../../cluster/ledger/replicated-journal.ts'
import {
  AUTHORITY,
  CATALOG,
  type Entry,
  type FeedId,
  type Frontier,
  feedId,
  feedOf,
  type Lane,
  opId,
  parseFeedId,
} from '../../src/journal/op.ts'
import { type Acknowledged, lostAcknowledged } from './checkers/acknowledged.ts'
import { disagreement, notConverged, type Standing } from './checkers/agreement.ts'
import { administrators, brokenChain, stateHashOf } from './checkers/disk-state.ts'
import { admittedAlone, misjudgedByEviction, unrecovered } from './checkers/membership.ts'
import { outOfOrder, stepBack } from './checkers/order.ts'
import { type Held, Rights } from './checkers/rights.ts'
import { SignedBlocks } from './checkers/signed-blocks.ts'
import type { SimNode, Witness } from './node.ts'
import { Past } from './past.ts'
import { opsOf } from './reference/past.ts'
import { unlikeReference } from './reference-state.ts'
import { type Keys, readSimBlock } from './signatures.ts'
import type { World } from './world/world.ts'

/** What the oracle knows of one node, whatever that node has forgotten. */
interface Book {
  past: Past
  rights: Rights
  readonly acknowledged: Acknowledged[]
  /** The snapshot op whose rows stand for the lane's beginning there. */
  base: string | null | undefined
  /** A snapshot took the lane's place, or broke off: entries it had are applied to it again. */
  rebuilt: boolean
}

/** Sees everything that happens at every node, and holds it against the promises. */
export class Oracle implements Witness {
  readonly signedBlocks = new SignedBlocks()
  /** Told of a node that has something to decide again. */
  onReviewing: (node: SimNode) => void = () => {}
  /** Told of a node that takes a lane apart. */
  onInstalling: (node: SimNode) => void = () => {}
  /** Restored, and everybody knows more of their logs than they do: they can and must not write a number twice. */
  readonly #warned = new Set<string>()
  /** Whom anybody ever admitted. */
  readonly admitted = new Set<string>()
  acknowledgements = 0
  readonly #world: World
  readonly #keys: Keys
  readonly #cluster: string
  /** Whether the recovery key of this cluster signed it. */
  readonly #isRecovery: (signature: Uint8Array) => boolean
  readonly #books = new Map<string, Book>()
  /** Where an op stands, told by the block that brought it. */
  readonly #ops = new Map<string, Acknowledged>()

  constructor(world: World, keys: Keys, cluster: string, isRecovery: (signature: Uint8Array) => boolean) {
    this.#isRecovery = isRecovery
    this.#world = world
    this.#keys = keys
    this.#cluster = cluster
  }

  past(node: SimNode): Past {
    return this.#book(node).past
  }

  /** Where the op of that id stands. */
  placeOf(id: string): Acknowledged | undefined {
    return this.#ops.get(id)
  }

  /** A node went back to an old copy of its disk: what it had promised is lost with it. */
  restored(node: SimNode, others: readonly SimNode[]): void {
    this.#rescue(node, others)
    this.#books.delete(node.id)
    this.relapsed.add(node.id)
    // What others knew may be gone with it.
    this.#warned.clear()
    const feeds = this.signedBlocks.feedsOf(node.id)
    const isKnown = ([feed, { seq, hash }]: [FeedId, { seq: number; hash: string }]) =>
      others.every((one) => this.#hashHeld(one, feed, seq) === hash)
    if (others.length > 0 && feeds.every(isKnown)) this.#warned.add(node.id)
  }

  /** Somebody who knows nothing yet may be asked now. */
  joined(): void {
    this.#warned.clear()
  }

  async opened(node: SimNode, interrupted: boolean): Promise<void> {
    const { journal } = node
    if (!journal) return
    const book = this.#book(node)
    const frontier = journal.frontier()
    this.#follow(node, book)
    if (interrupted) book.rebuilt = true
    const isOpen = (feed: FeedId) =>
      (interrupted && parseFeedId(feed).lane === CATALOG) || this.signedBlocks.forked.has(feed)
    this.#hold('I13 a node never knows less than it did', node, stepBack(book.past, frontier, isOpen))
    this.#holdAcknowledged(node, book, isOpen)
    // What a crash left on disk though nobody had been told of it yet.
    const ranges = Object.entries(frontier)
      .map(([feed, to]) => ({ feed, from: (book.past.seqs.get(feed) ?? 0) + 1, to }))
      .filter(({ from, to }) => from <= to)
    for await (const bytes of journal.blocks(ranges)) {
      const block = readSimBlock(this.#keys, bytes, this.#cluster)
      if (block.entry.author === node.id) this.#register(bytes)
      this.#apply(node, book, block.entry)
    }
    this.#hold('I4 a revocation beats what had not seen it', node, book.rights.violation(held(journal), true))
  }

  installing(node: SimNode): void {
    this.onInstalling(node)
  }

  lettingGo(node: SimNode, upTo: Frontier): void {
    const { journal } = node
    if (!journal) return
    for (const [id, { past }] of this.#books) {
      if (this.relapsed.has(id) || this.excused.has(id)) continue
      // A newcomer comes by snapshot, whatever was let go of while it was on its way.
      const hasBegun = [...past.seqs.keys()].some((feed) => parseFeedId(feed).lane === CATALOG)
      if (!hasBegun || journal.tables.get('nodes', id)?.state !== 'member') continue
      const lacking = Object.entries(upTo).find(
        ([feed, seq]) => (past.seqs.get(feed) ?? 0) < seq && !this.signedBlocks.forked.has(feed),
      )
      if (lacking)
        this.#hold('I9 nothing is let go of that a member lacks', node, `${id} lacks ${lacking.join('/')}`)
    }
  }

  signed(node: SimNode, bytes: Uint8Array): void {
    const isNew = this.#register(bytes)
    if (!isNew && this.#warned.has(node.id))
      this.#hold(
        'I11 a restored node never gives a number twice',
        node,
        'it did, and every other knew better',
      )
    this.#world.note(`${node.name} signed`)
  }

  /** What a newer node wrote was taken in at its own, or not. */
  writtenAhead(node: SimNode, at: { seq: number; hash: string }, taken: boolean): void {
    if (taken) this.#book(node).acknowledged.push({ feed: feedId(AUTHORITY, node.id), ...at })
    else if (this.signedBlocks.forked.size === 0)
      this.#hold('I9 what is not known yet is kept', node, 'what it wrote ahead of others was not taken in')
  }

  /** A liar shows this to somebody, in its own name. */
  lied(bytes: Uint8Array): void {
    this.#register(bytes)
  }

  applied(node: SimNode, entries: readonly Entry[]): void {
    const book = this.#book(node)
    this.#follow(node, book)
    for (const entry of entries) this.#apply(node, book, entry)
    const { journal } = node
    if (journal?.isReviewing) this.onReviewing(node)
    if (journal) {
      this.#hold('I4 a revocation beats what had not seen it', node, book.rights.violation(held(journal)))
    }
  }

  acknowledged(node: SimNode, _lane: Lane, ids: readonly string[]): void {
    this.acknowledgements += ids.length
    if (node.journal?.status().writable === false && ids.length > 0) {
      this.#hold('a forked feed goes no further', node, 'it acknowledged what no other node will take')
    }
    const first = ids[0]
    const at = first === undefined ? undefined : this.#ops.get(first)
    if (first === undefined) return
    if (at) this.#book(node).acknowledged.push(at)
    else
      this.#hold(
        'I1 what is acknowledged is on disk',
        node,
        `the op ${first} was acknowledged and never written`,
      )
  }

  putOut(node: SimNode, other: string): void {
    this.excused.add(other)
    this.#world.note(`${node.name} puts out ${other}`)
    const isForked = [...this.signedBlocks.forked].some((feed) => parseFeedId(feed).author === other)
    if (!isForked) this.#hold('I7 nobody is put out for nothing', node, `${other} never signed two histories`)
  }

  complained(node: SimNode, message: string): void {
    // Said of a moment in which one of the two decided something late again, it is no proof of anything.
    if (message.includes('same entries gave other tables'))
      this.#world.note(`${node.name} calls another damaged`)
  }

  /** Whether those nodes have come together; what stands in the way otherwise. */
  notYet(nodes: readonly SimNode[]): string | undefined {
    const busy = nodes.find(({ journal }) => journal?.isReviewing)
    if (busy) return `${busy.name} still decides again what came late`
    return notConverged(standings(nodes), this.signedBlocks.forked)
  }

  /** At any moment. */
  holdBounds(nodes: readonly SimNode[], parked: { blocks: number; bytes: number }): void {
    for (const node of nodes) {
      const held = node.journal?.status().parked
      if (held && (held.blocks > parked.blocks || held.bytes > parked.bytes)) {
        this.#hold('what is parked is bounded', node, `${held.blocks} blocks, ${held.bytes} bytes are parked`)
      }
    }
  }

  /** When all faults are over and the nodes have come together. */
  async holdFinally(nodes: readonly SimNode[]): Promise<void> {
    this.#hold('I3 the same entries give the same state', undefined, disagreement(standings(nodes)))
    for (const node of nodes) {
      const { journal } = node
      if (!journal) continue
      const { rows } = node.disk
      const claimed = journal.stateHash()
      this.#holdAcknowledgedEverywhere(node, nodes)
      this.#holdRescued(node, nodes)
      if (stateHashOf(rows) !== claimed) {
        this.#hold('I3 the state hash is that of the rows', node, `it claims ${claimed}`)
      }
      const frontier = journal.frontier()
      this.#hold(
        'feeds are gapless and in causal order',
        node,
        await brokenChain(
          { rows, frontier, floor: (feed) => floorOf(node, feed) ?? 1 },
          this.#keys,
          this.#cluster,
        ),
      )
      const wrong = this.#book(node).rights.violation(held(journal), true)
      this.#hold('I4 a revocation beats what had not seen it', node, wrong)
      // What a fork takes back may be what made the last one; the recovery key was used by now.
      if (administrators(rows).length === 0)
        this.#hold('I12 at least one administrator', node, 'there is none')
    }
    const [first] = nodes
    if (!first?.journal) return
    const entries = this.#entriesOf(first)
    const { tables } = first.journal
    const ops = opsOf(entries.filter(({ lane }) => lane === AUTHORITY))
    this.#hold('I6 an eviction counts as far as it says', first, misjudgedByEviction(ops, tables))
    this.#hold('a second consent is somebody else’s', first, admittedAlone(ops, tables))
    const odd = unrecovered(ops, tables, this.#isRecovery)
    this.#hold('I7 only the recovery key of this cluster opens it', first, odd)
    const unlike = unlikeReference(entries, first.disk.rows, first.journal.stateHash())
    this.#hold('I3-reference the rows are those of the reference', first, unlike)
  }

  #apply(node: SimNode, book: Book, entry: Entry): void {
    const feed = feedOf(entry)
    const isAgain = book.rebuilt && entry.seq <= (book.past.seqs.get(feed) ?? 0)
    if (!isAgain) {
      const wrong = outOfOrder(entry, book.past, (other) => this.signedBlocks.forked.has(other))
      this.#hold('feeds are gapless and in causal order', node, wrong)
    }
    if (!this.admitted.has(entry.author)) {
      this.#hold('I7 nothing forged is taken in', node, `${feed}/${entry.seq} is a stranger's`)
    }
    const hash = hashStored(node, feed, entry.seq)
    if (entry.author !== node.id && !this.signedBlocks.has(feed, entry.seq, hash ?? '')) {
      this.#hold('I7 nothing forged is taken in', node, `${feed}/${entry.seq} was not signed by its author`)
    }
    if (!isAgain) for (const op of book.past.apply(entry)) book.rights.apply(op)
  }

  /** Where a snapshot has taken a lane's place, the node knows what that stands for without having applied it. */
  #follow(node: SimNode, book: Book): void {
    if (node.disk.rows.get(installingKey(CATALOG))) book.rebuilt = true
    const floor = node.journal?.lanes.floor(CATALOG)
    if (!floor || floor.snapshot === book.base) return
    book.base = floor.snapshot
    const missing: Entry[] = []
    for (const [feed, seq] of Object.entries(floor.frontier)) {
      const known = book.past.seqs.get(feed) ?? 0
      for (const { entry } of this.#chain(node, feed, seq)) {
        if (entry.seq <= known) break
        missing.push(entry)
      }
    }
    for (const entry of missing.sort((a, b) => a.depth - b.depth || a.seq - b.seq)) book.past.apply(entry)
  }

  /** The entries of a feed up to one the node holds, the newest first: also what it has let go of by now. */
  *#chain(node: SimNode, feed: FeedId, seq: number): Generator<Block> {
    let hash = hashStored(node, feed, seq)
    while (hash !== undefined) {
      const block = this.#keys.read.get(hash)
      if (!block) return
      yield block
      hash = block.next
    }
  }

  /** Hash of the entry a node holds there, or has let go of behind a snapshot. */
  #hashHeld(node: SimNode, feed: FeedId, seq: number): string | undefined {
    const stored = hashStored(node, feed, seq)
    const floor = floorOf(node, feed)
    if (stored !== undefined || floor === undefined || seq >= floor) return stored
    for (const { entry, hash } of this.#chain(node, feed, floor)) if (entry.seq === seq) return hash
    return undefined
  }

  /** All a node holds or has let go of. */
  #entriesOf(node: SimNode): Entry[] {
    const frontier = Object.entries(node.journal?.frontier() ?? {})
    return frontier.flatMap(([feed, seq]) => [...this.#chain(node, feed, seq)].map(({ entry }) => entry))
  }

  #holdAcknowledged(node: SimNode, book: Book, isOpen: (feed: FeedId) => boolean): void {
    // What lies behind a fork counts nowhere, whoever signed both.
    const sound = book.acknowledged.filter(({ feed }) => !isOpen(feed))
    const lost = lostAcknowledged(sound, (feed, seq) => this.#hashHeld(node, feed, seq))
    this.#hold('I1 what was acknowledged is there after any crash', node, lost)
  }

  /** What a node acknowledged and forgot is not lost while another remembers it. */
  #rescue(node: SimNode, others: readonly SimNode[]): void {
    for (const { holders } of this.#rescued) holders.delete(node.id)
    for (const at of this.#books.get(node.id)?.acknowledged ?? []) {
      const knowing = others.filter((one) => !one.hostile && this.#hashHeld(one, at.feed, at.seq) === at.hash)
      this.#rescued.push({ at, holders: new Set(knowing.map(({ id }) => id)) })
    }
  }

  #holdRescued(node: SimNode, members: readonly SimNode[]): void {
    const owed = this.#rescued.filter(
      ({ at, holders }) =>
        !this.signedBlocks.forked.has(at.feed) && members.some(({ id }) => holders.has(id)),
    )
    const lost = lostAcknowledged(
      owed.map(({ at }) => at),
      (feed, seq) => this.#hashHeld(node, feed, seq),
    )
    this.#hold('I1 what a restored node had acknowledged is kept by who held it', node, lost)
  }

  #holdAcknowledgedEverywhere(node: SimNode, members: readonly SimNode[]): void {
    for (const { id } of members) {
      const { acknowledged } = this.#books.get(id) ?? { acknowledged: [] }
      if (this.excused.has(id)) continue
      const sound = acknowledged.filter(({ feed }) => !this.signedBlocks.forked.has(feed))
      const lost = lostAcknowledged(sound, (feed, seq) => this.#hashHeld(node, feed, seq))
      this.#hold('I1 what was acknowledged is everywhere in the end', node, lost)
    }
  }

  readonly #rescued: { readonly at: Acknowledged; readonly holders: Set<string> }[] = []
  /** Nodes that went back to an old copy of their disk. */
  readonly relapsed = new Set<string>()
  /** Nodes that were evicted or lie: what they acknowledged last may have died with them. */
  readonly excused = new Set<string>()

  /** @returns false where the author has signed another one of that number */
  #register(bytes: Uint8Array): boolean {
    const block = readSimBlock(this.#keys, bytes, this.#cluster)
    const isNew = this.signedBlocks.add(block)
    const { feed, hash, entry } = block
    entry.ops.forEach((_, index) => {
      this.#ops.set(opId({ feed, seq: entry.seq, index }), { feed, seq: entry.seq, hash })
    })
    return isNew
  }

  #book(node: SimNode): Book {
    const known = this.#books.get(node.id)
    if (known) return known
    const book: Book = {
      past: new Past(),
      rights: new Rights(),
      acknowledged: [],
      base: undefined,
      rebuilt: false,
    }
    this.#books.set(node.id, book)
    return book
  }

  #hold(promise: string, node: SimNode | undefined, wrong: string | undefined): void {
    if (wrong === undefined || node?.hostile) return
    this.#world.fail(promise, node ? `${node.name}: ${wrong}` : wrong)
  }
}

/** The tables, and which entries they are made of. */
function held(journal: ReplicatedJournal): Held {
  const frontier = journal.frontier()
  return {
    get: (table, key) => journal.tables.get(table, key),
    has: ({ feed, seq }) => (frontier[feed] ?? 0) >= seq,
  }
}

/** Says so without taking the whole row apart: it begins with the hash, a text of 43 bytes. */
function hashStored(node: SimNode, feed: FeedId, seq: number): string | undefined {
  const row = node.disk.rows.get(blockKey(feed, seq))
  if (!row) return undefined
  if (row[0] !== 0x83 || row[1] !== 0x78 || row[2] !== 43) return decodeBlock(row).hash
  return Buffer.from(row.buffer, row.byteOffset + 3, 43).toString('latin1')
}

function standings(nodes: readonly SimNode[]): Standing[] {
  return nodes.flatMap((node) => {
    const { journal } = node
    if (!journal) return []
    const { heads, digest } = journal.position()
    const { name, disk } = node
    const isForked = (feed: FeedId) => journal.isForked(feed)
    return [{ name, heads, digest, stateHash: journal.stateHash(), rows: disk.rows, isForked }]
  })
}

/** Where the feed's log begins at that node; undefined where nothing of its lane has been let go of. */
function floorOf({ journal }: SimNode, feed: FeedId): number | undefined {
  return journal?.lanes.floor(parseFeedId(feed).lane)?.frontier[feed]
}

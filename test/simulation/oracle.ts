import { installingKey } from '../../cluster/ledger/layout.ts'
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
import { Admissions } from './admissions.ts'
import { type Book, emptyBook, held } from './book.ts'
import { type Acknowledged, lostAcknowledged } from './checkers/acknowledged.ts'
import { notConverged } from './checkers/agreement.ts'
import { stateHashOf } from './checkers/disk-state.ts'
import { outOfOrder, stepBack } from './checkers/order.ts'
import { SignedBlocks } from './checkers/signed-blocks.ts'
import { holdFinally, standings } from './final-checks.ts'
import { disagreeingKeys } from './network-keys.ts'
import type { SimNode, Witness } from './node.ts'
import { floorStored, hashStored, NodeLogs } from './node-logs.ts'
import type { Past } from './past.ts'
import { Rescued } from './rescued.ts'
import { type Keys, readSimBlock } from './signatures.ts'
import type { World } from './world/world.ts'

/** Sees everything that happens at every node, and holds it against the promises. */
export class Oracle implements Witness {
  readonly signedBlocks = new SignedBlocks()
  readonly #admissions = new Admissions(this.signedBlocks)
  /** Told of a node that has something to decide again. */
  onReviewing: (node: SimNode) => void = () => {}
  /** Told of a node that takes a lane apart. */
  onInstalling: (node: SimNode) => void = () => {}
  /** Restored, and everybody knows more of their logs than they do: they can and must not write a number twice. */
  readonly #warned = new Set<string>()
  /** That ever ran. */
  readonly #nodes = new Map<string, SimNode>()
  /** What newer nodes are just writing. */
  readonly #ahead = new Map<string, Uint8Array>()
  /** Whom anybody ever admitted. */
  readonly admitted = new Set<string>()
  /** Nodes that went back to an old copy of their disk. */
  readonly relapsed = new Set<string>()
  /** Nodes that were evicted or lie: what they acknowledged last may have died with them. */
  readonly excused = new Set<string>()
  acknowledgements = 0
  readonly #world: World
  readonly #keys: Keys
  readonly #cluster: string
  /** Whether the recovery key of this cluster signed it. */
  readonly #isRecovery: (signature: Uint8Array) => boolean
  readonly #logs: NodeLogs
  readonly #rescued: Rescued
  readonly #books = new Map<string, Book>()
  /** Where an op stands, told by the block that brought it. */
  readonly #ops = new Map<string, Acknowledged>()

  constructor(world: World, keys: Keys, cluster: string, isRecovery: (signature: Uint8Array) => boolean) {
    this.#isRecovery = isRecovery
    this.#world = world
    this.#keys = keys
    this.#cluster = cluster
    this.#logs = new NodeLogs(keys)
    this.#rescued = new Rescued(this.#logs, this.signedBlocks, this.#admissions)
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
    this.#rescued.add(node, this.#book(node).acknowledged, others)
    this.#books.delete(node.id)
    this.relapsed.add(node.id)
    // What others knew may be gone with it.
    this.#warned.clear()
    const feeds = this.signedBlocks.feedsOf(node.id)
    const isKnown = ([feed, { seq, hash }]: [FeedId, { seq: number; hash: string }]) =>
      others.every((one) => this.#logs.hashHeld(one, feed, seq) === hash)
    if (others.length > 0 && feeds.every(isKnown)) this.#warned.add(node.id)
  }

  /** Somebody who knows nothing yet may be asked now. */
  joined(): void {
    this.#warned.clear()
  }

  async opened(node: SimNode, interrupted: boolean): Promise<void> {
    this.#nodes.set(node.id, node)
    const { journal } = node
    if (!journal) return
    const book = this.#book(node)
    const frontier = journal.frontier()
    this.#follow(node, book)
    // What was broken off is cleared away by now; later the next snapshot would cover up what stayed of it.
    const isWhole = stateHashOf(node.disk.rows) === journal.stateHash()
    const wrong = isWhole ? undefined : `it starts with ${journal.stateHash()}`
    this.#hold('I3 the state hash is that of the rows', node, wrong)
    const isEmpty = !Object.keys(frontier).some((feed) => parseFeedId(feed).lane === CATALOG)
    const brokeOff = interrupted || (book.installing && isEmpty)
    if (brokeOff) book.rebuilt = true
    book.installing = brokeOff
    const isOpen = (feed: FeedId) =>
      (brokeOff && parseFeedId(feed).lane === CATALOG) ||
      this.signedBlocks.forked.has(feed) ||
      this.#admissions.isDisowned(node, feed)
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
    this.#book(node).installing = true
    this.onInstalling(node)
  }

  lettingGo(node: SimNode, upTo: Frontier): void {
    const { journal } = node
    if (!journal) return
    for (const [id, book] of this.#books) {
      if (this.relapsed.has(id) || this.excused.has(id)) continue
      const other = this.#nodes.get(id)
      // It may have come by a snapshot, and applied nothing since.
      if (other) this.#follow(other, book)
      const { past } = book
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

  /** It counts as signed once it is on the node's disk: of what the disk refuses nobody ever hears. */
  writesAhead(node: SimNode, bytes: Uint8Array): void {
    this.#ahead.set(node.id, bytes)
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
    const ahead = this.#ahead.get(node.id)
    if (ahead && this.#isOnDisk(node, ahead)) {
      this.#ahead.delete(node.id)
      this.#register(ahead)
    }
    for (const entry of entries) this.#apply(node, book, entry)
    const { journal } = node
    if (journal?.isReviewing) this.onReviewing(node)
    if (journal) {
      this.#hold('I4 a revocation beats what had not seen it', node, book.rights.violation(held(journal)))
    }
  }

  acknowledged(node: SimNode, _lane: Lane, ids: readonly string[]): void {
    this.acknowledgements += ids.length
    const known = node.journal?.quarantine.forks() ?? []
    const isForked = known.some(({ feed }) => parseFeedId(feed).author === node.id)
    if ((isForked || node.journal?.status().writable === false) && ids.length > 0) {
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
    return notConverged(standings(nodes), this.signedBlocks.forked) ?? disagreeingKeys(nodes)
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
  holdFinally(nodes: readonly SimNode[]): Promise<void> {
    return holdFinally(nodes, {
      keys: this.#keys,
      cluster: this.#cluster,
      logs: this.#logs,
      signedBlocks: this.signedBlocks,
      rescued: this.#rescued,
      excused: this.excused,
      relapsed: this.relapsed,
      bookOf: (node) => this.#book(node),
      isRecovery: this.#isRecovery,
      hold: (promise, node, wrong) => this.#hold(promise, node, wrong),
    })
  }

  #apply(node: SimNode, book: Book, entry: Entry): void {
    const feed = feedOf(entry)
    const isAgain = book.rebuilt && entry.seq <= (book.past.seqs.get(feed) ?? 0)
    if (!isAgain) {
      const isExcused = (other: FeedId) =>
        this.signedBlocks.forked.has(other) || this.#admissions.isDisowned(node, other)
      const wrong = outOfOrder(entry, book.past, isExcused)
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
    const floor = node.journal ? node.journal.lanes.floor(CATALOG) : floorStored(node, CATALOG)
    if (!floor || floor.snapshot === book.base) return
    book.base = floor.snapshot
    const missing: Entry[] = []
    for (const [feed, seq] of Object.entries(floor.frontier)) {
      const known = book.past.seqs.get(feed) ?? 0
      for (const { entry } of this.#logs.chain(node, feed, seq)) {
        if (entry.seq <= known) break
        missing.push(entry)
      }
    }
    for (const entry of missing.sort((a, b) => a.depth - b.depth || a.seq - b.seq)) book.past.apply(entry)
  }

  #holdAcknowledged(node: SimNode, book: Book, isOpen: (feed: FeedId) => boolean): void {
    // What lies behind a fork counts nowhere, whoever signed both.
    const sound = book.acknowledged.filter(({ feed }) => !isOpen(feed))
    const lost = lostAcknowledged(sound, (feed, seq) => this.#logs.hashHeld(node, feed, seq))
    this.#hold('I1 what was acknowledged is there after any crash', node, lost)
  }

  /** @returns false where the author has signed another one of that number */
  #register(bytes: Uint8Array): boolean {
    const block = readSimBlock(this.#keys, bytes, this.#cluster)
    const isNew = this.signedBlocks.add(block)
    const { feed, hash, entry } = block
    this.#admissions.add(entry)
    entry.ops.forEach((_, index) => {
      this.#ops.set(opId({ feed, seq: entry.seq, index }), { feed, seq: entry.seq, hash })
    })
    return isNew
  }

  #isOnDisk(node: SimNode, bytes: Uint8Array): boolean {
    const { feed, entry, hash } = readSimBlock(this.#keys, bytes, this.#cluster)
    return hashStored(node, feed, entry.seq) === hash
  }

  #book(node: SimNode): Book {
    const known = this.#books.get(node.id)
    if (known) return known
    const book = emptyBook()
    this.#books.set(node.id, book)
    return book
  }

  #hold(promise: string, node: SimNode | undefined, wrong: string | undefined): void {
    if (wrong === undefined || node?.hostile) return
    this.#world.fail(promise, node ? `${node.name}: ${wrong}` : wrong)
  }
}

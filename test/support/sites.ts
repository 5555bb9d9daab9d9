import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { NODE_ITSELF } from '../../src/access/principal.ts'
import { openTokenKey, type TokenKey } from '../../src/access/token-key.ts'
import { clusterIdOf, foundingOps, writeGenesis } from '../../src/journal/genesis.ts'
import type { Committed, Journal, TableChange, Tables } from '../../src/journal/journal.ts'
import type { Write } from '../../src/journal/key-value.ts'
import { op } from '../../src/journal/kinds.ts'
import { AUTHORITY, type Entry, type Frontier, feedOf, type Lane, type NewOp } from '../../src/journal/op.ts'
import { Sequencer } from '../../src/journal/sequencer.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { LevelStore } from '../../src/store/level/level-store.ts'

/** A clock that goes where the test says. */
export class HandClock implements Clock {
  #time = Date.UTC(2026, 10, 20, 12)
  #monotonic = 1000

  now(): number {
    return this.#time
  }

  monotonic(): number {
    return this.#monotonic
  }

  advance(milliseconds: number): void {
    this.#time += milliseconds
    this.#monotonic += milliseconds
  }
}

/**
 * A node's journal over a real store, with the wire left out: what it wrote is kept, and given to another
 * site when the test says that it arrives.
 */
export class Site implements Journal {
  readonly node: string
  readonly cluster: string
  readonly key: TokenKey
  readonly store: LevelStore
  readonly directory: string
  /** Its own entries and those it learned, in the order it came to them. */
  readonly held: Entry[] = []
  readonly #sequencer: Sequencer

  constructor(parts: {
    node: string
    cluster: string
    key: TokenKey
    store: LevelStore
    directory: string
    clock: Clock
  }) {
    this.node = parts.node
    this.cluster = parts.cluster
    this.key = parts.key
    this.store = parts.store
    this.directory = parts.directory
    const append = async (entry: Entry, _bytes: Uint8Array, writes: readonly Write[]) => {
      this.held.push(entry)
      await parts.store.write(writes)
    }
    const held = this.held
    const archive = {
      async *read(feed: string, from: number) {
        for (const entry of held) if (feedOf(entry) === feed && entry.seq >= from) yield entry
      },
      base: async () => undefined,
    }
    this.#sequencer = new Sequencer({ ...parts, log: { append }, archive, cachedRows: 1000 })
  }

  get tables(): Tables {
    return this.#sequencer.tables
  }

  commit(lane: Lane, plan: (tables: Pick<Tables, 'get'>) => readonly NewOp[]): Promise<Committed> {
    return this.#sequencer.commit(lane, plan)
  }

  onChange(listener: (changes: readonly TableChange[]) => void): () => void {
    return this.#sequencer.onApplied(({ changes }) => listener(changes))
  }

  frontier(): Frontier {
    return this.#sequencer.frontier()
  }

  stateHash(): string {
    return this.#sequencer.tables.stateHash()
  }

  /** Takes in what the others hold, as far as it does not yet. */
  async learn(...others: Site[]): Promise<void> {
    for (;;) {
      let applied = 0
      for (const other of others) {
        for (const entry of other.held) {
          if ((await this.#sequencer.ingest([{ entry, writes: [] }])) === 0) continue
          this.held.push(entry)
          applied += 1
        }
      }
      if (applied === 0) break
    }
    await this.#sequencer.settled()
  }
}

/** Sites of one cluster, in temporary directories, gone with `close`. */
export class Sites {
  readonly #closing: (() => Promise<unknown>)[] = []
  readonly clock: Clock

  constructor(clock: Clock) {
    this.clock = clock
  }

  /**
   * A new cluster of its own with one member.
   * @param prepare makes the directory of its journal, which is opened then
   */
  async found(name = 'test', prepare: (journal: string) => Promise<void> = async () => {}): Promise<Site> {
    const node = nodeId()
    const nonce = systemRandom.bytes(32)
    const genesis = writeGenesis({
      name,
      founder: node,
      nonce,
      time: this.clock.now(),
      recovery: systemRandom.bytes(32),
    })
    const site = await this.#site(node, clusterIdOf(genesis), prepare)
    await site.commit(AUTHORITY, () => foundingOps(genesis, node, factsOf(site)))
    return site
  }

  /** One more member, admitted by `host`; it knows what `host` knows. */
  async admit(host: Site): Promise<Site> {
    const site = await this.#site(nodeId(), host.cluster)
    const invite = Buffer.from(systemRandom.bytes(8)).toString('hex')
    await host.commit(AUTHORITY, () => [
      op(
        'invite.created',
        {
          invite,
          verifier: 'v',
          expiresAt: this.clock.now() + 60_000,
          role: 'anchor',
          scope: null,
          approval: false,
          days: null,
        },
        NODE_ITSELF.actor,
      ),
      op(
        'node.admitted',
        { node: site.node, facts: factsOf(site), invite, notAfter: null },
        NODE_ITSELF.actor,
      ),
    ])
    await site.learn(host)
    return site
  }

  async directory(): Promise<string> {
    const directory = await mkdtemp(join(tmpdir(), 'flotilla-access-'))
    this.#closing.push(() => rm(directory, { recursive: true, force: true }))
    return directory
  }

  onClose(task: () => Promise<unknown>): void {
    this.#closing.push(task)
  }

  async close(): Promise<void> {
    for (const task of this.#closing.splice(0).reverse()) await task()
  }

  async #site(node: string, cluster: string, prepare?: (journal: string) => Promise<void>): Promise<Site> {
    const directory = await this.directory()
    await prepare?.(join(directory, 'journal'))
    const store = await LevelStore.open(join(directory, 'journal'))
    this.#closing.push(() => store.close())
    const key = await openTokenKey(join(directory, 'token.key'))
    return new Site({ node, cluster, key, store, directory, clock: this.clock })
  }
}

function nodeId(): string {
  return Buffer.from(systemRandom.bytes(16)).toString('hex')
}

function factsOf(site: Site) {
  const tokenKey = site.key.publicKey
  return { name: 'n', site: 's', url: null, tokenKey, sealKey: tokenKey, addresses: [], swarm: [] }
}

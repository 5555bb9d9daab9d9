import { generateKeyPairSync } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { Entry as OrbitEntry } from '@orbitdb/core'
import { onTestFinished } from 'vitest'
import { orbitFormat } from '../../../../cluster/ledger/orbit-format.ts'
import { orbitIdentity } from '../../../../cluster/ledger/orbit-identity.ts'
import { logId } from '../../../../cluster/ledger/orbit-log.ts'
import { ReplicatedJournal } from '../../../../cluster/ledger/replicated-journal.ts'
import type { Identity } from '../../../../cluster/network/identity.ts'
import { encodeEntry } from '../../../../src/journal/entry.ts'
import { clusterIdOf, foundingOps, writeGenesis } from '../../../../src/journal/genesis.ts'
import type { KeyRange, KeyValue, Write } from '../../../../src/journal/key-value.ts'
import { op } from '../../../../src/journal/kinds.ts'
import { AUTHORITY, CATALOG, type Entry, feedId, type NewOp } from '../../../../src/journal/op.ts'
import type { NodeFacts } from '../../../../src/journal/rows.ts'
import type { Digest } from '../../../../src/oci/digest.ts'
import type { BlobStore } from '../../../../src/registry/blob-store.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { type Logger, silentLogger } from '../../../../src/runtime/logger.ts'
import { LevelStore } from '../../../../src/store/level/level-store.ts'

export async function temporary(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'flotilla-ledger-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

export function newIdentity(): Identity {
  const { privateKey: signingKey } = generateKeyPairSync('ed25519')
  const { d, x } = signingKey.export({ format: 'jwk' })
  const raw = Buffer.concat([Buffer.from(d as string, 'base64url'), Buffer.from(x as string, 'base64url')])
  const privateKey = privateKeyFromRaw(raw)
  if (privateKey.type !== 'Ed25519') throw new Error('not an Ed25519 key')
  return { id: peerIdFromPrivateKey(privateKey).toString(), privateKey, signingKey }
}

/** A real store whose writes a test can count, hold and break. */
export class Valve implements KeyValue {
  readonly batches: (readonly Write[])[] = []
  fault: Error | undefined
  hold: Promise<void> | undefined
  /** Told of each batch once it is on disk; what it sets takes effect from the next on. */
  after: ((batch: readonly Write[]) => void) | undefined
  readonly #store: LevelStore

  constructor(store: LevelStore) {
    this.#store = store
  }

  get(key: string): Uint8Array | undefined {
    return this.#store.get(key)
  }

  range(bounds: KeyRange): AsyncIterable<readonly [string, Uint8Array]> {
    return this.#store.range(bounds)
  }

  async write(batch: readonly Write[]): Promise<void> {
    await this.hold
    if (this.fault) throw this.fault
    await this.#store.write(batch)
    this.batches.push(batch)
    this.after?.(batch)
  }

  close(): Promise<void> {
    return this.#store.close()
  }
}

export function factsOf(name: string): NodeFacts {
  return {
    name,
    site: 'here',
    addresses: [],
    swarm: [],
    url: null,
    tokenKey: 'k'.repeat(43),
    sealKey: 's'.repeat(43),
  }
}

/** A cluster to be: who founds it, and its id. */
export interface Plan {
  readonly founder: Identity
  readonly genesis: Uint8Array
  readonly clusterId: string
}

export function newCluster(): Plan {
  const founder = newIdentity()
  const nonce = new Uint8Array(32)
  const recovery = new Uint8Array(32)
  const genesis = writeGenesis({ name: 'test', founder: founder.id, nonce, time: 1, recovery })
  return { founder, genesis, clusterId: clusterIdOf(genesis) }
}

export interface Site {
  readonly identity: Identity
  readonly directory: string
  readonly store: Valve
  readonly journal: ReplicatedJournal
  /** Blocks it signed since it was opened. */
  readonly blocks: Uint8Array[]
  close(): Promise<void>
}

export async function openSite(
  plan: Plan,
  {
    identity = newIdentity(),
    directory,
    log = silentLogger,
    blobs,
  }: { identity?: Identity; directory?: string; log?: Logger; blobs?: Pick<BlobStore, 'open'> } = {},
): Promise<Site> {
  const place = directory ?? (await temporary())
  const store = new Valve(await LevelStore.open(place))
  const journal = new ReplicatedJournal({
    store,
    node: identity.id,
    format: orbitFormat(identity),
    clusterId: plan.clusterId,
    clock: systemClock,
    log,
    blobs,
  })
  await journal.open()
  const blocks: Uint8Array[] = []
  journal.onOwnBlock((block) => blocks.push(block))
  let closed = false
  const close = async () => {
    if (closed) return
    closed = true
    await journal.close()
    await store.close()
  }
  onTestFinished(close)
  return { identity, directory: place, store, journal, blocks, close }
}

/** The founder's site, with the genesis written. */
export async function foundSite(plan: Plan): Promise<Site> {
  const site = await openSite(plan, { identity: plan.founder })
  await site.journal.commit(AUTHORITY, () => foundingOps(plan.genesis, plan.founder.id, factsOf('founder')))
  return site
}

/** Records at `issuer` that the node belongs. */
export async function admit(issuer: Site, node: string, name = 'member'): Promise<void> {
  const invite = `invite-${node.slice(-12)}`
  const facts = { ...factsOf(name), addresses: [], swarm: [] }
  const terms = { role: 'anchor', scope: null, approval: false, days: null } as const
  await issuer.journal.commit(AUTHORITY, () => [
    op('invite.created', { invite, verifier: 'v', expiresAt: 1, ...terms }, 'node'),
    op('node.admitted', { node, facts, invite, notAfter: null }, 'node'),
  ])
}

/** Everything `from` holds, in causal order. */
export async function everything(from: Site): Promise<Uint8Array[]> {
  const ranges = Object.entries(from.journal.frontier()).map(([feed, to]) => ({ feed, from: 1, to }))
  const blocks: Uint8Array[] = []
  for await (const block of from.journal.blocks(ranges)) blocks.push(block)
  return blocks
}

/** A founder and members that all know of each other; nothing travels unless a test carries it. */
export async function fleet(members: number): Promise<{ plan: Plan; founder: Site; others: Site[] }> {
  const plan = newCluster()
  const founder = await foundSite(plan)
  const others: Site[] = []
  for (let n = 0; n < members; n++) {
    const site = await openSite(plan)
    await admit(founder, site.identity.id, `member-${n}`)
    others.push(site)
  }
  for (const site of others) await site.journal.take(await everything(founder), founder.identity.id)
  return { plan, founder, others }
}

let numbers = 0
export function user(name: string): NewOp {
  const body = { name, email: '', realname: '', comment: '', admin: false, passwordHash: '$argon2id$x' }
  return op('user.created', { ...body, number: ++numbers }, 'node')
}

export function tag(name: string, character = 'a'): NewOp {
  const place = { projectId: 'p'.repeat(22), path: 'app' }
  return op('tag.moved', { ...place, tag: name, digest: `sha256:${character.repeat(64)}` as Digest }, 'x')
}

/** Commits that many entries of one op each, one after another. */
export async function write(site: Site, count: number, name = 'u'): Promise<void> {
  for (let n = 0; n < count; n++) await site.journal.commit(CATALOG, () => [tag(`${name}-${n}`)])
}

/** What a forger may set differently from what an honest node would write. */
export interface Forgery {
  readonly entry?: Partial<Record<keyof Entry, unknown>>
  readonly payload?: unknown
  readonly id?: string
  readonly clock?: { id: string; time: number }
  readonly next?: readonly string[]
  readonly refs?: readonly string[]
  /** Set after signing. */
  readonly unsigned?: Record<string, unknown>
}

/** A block signed by `identity`, as a program other than ours might make it. */
export async function forge(
  plan: Plan,
  identity: Identity,
  base: Entry,
  forgery: Forgery = {},
): Promise<Uint8Array> {
  const entry = { ...base, ...forgery.entry } as Entry
  const orbit = orbitIdentity(identity)
  const block = await OrbitEntry.create(
    orbit,
    forgery.id ?? logId(plan.clusterId, feedId(entry.lane, entry.author)),
    forgery.payload ?? encodeEntry(entry),
    undefined,
    forgery.clock ?? { id: orbit.publicKey, time: entry.seq },
    forgery.next ?? [],
    forgery.refs ?? [],
  )
  return (await OrbitEntry.encode({ ...block, ...forgery.unsigned } as never)).bytes
}

/** The entry a site would write next in a lane. */
export function nextEntry(site: Site, ops: Entry['ops'], lane: Entry['lane'] = AUTHORITY): Entry {
  const feed = feedId(lane, site.identity.id)
  const frontier = site.journal.frontier()
  const seen = Object.fromEntries(
    Object.entries(frontier).filter(
      ([other]) => other.startsWith(`${lane}@`) || other.startsWith('authority@'),
    ),
  )
  const { cluster, node } = site.journal
  const seq = (frontier[feed] ?? 0) + 1
  return { format: 1, cluster, lane, author: node, seq, depth: 0, time: 0, seen, ops }
}

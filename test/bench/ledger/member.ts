import { createHash } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { OrbitLog } from '@orbitdb/core'
import { ClassicLevel } from 'classic-level'
import { orbitFormat } from '../../../cluster/ledger/orbit-format.ts'
import { openFeed } from '../../../cluster/ledger/orbit-log.ts'
import { ReplicatedJournal } from '../../../cluster/ledger/replicated-journal.ts'
import { type Identity, loadOrCreateIdentity } from '../../../cluster/network/identity.ts'
import { clusterIdOf, foundingOps, writeGenesis } from '../../../src/journal/genesis.ts'
import type { KeyRange, KeyValue, Write } from '../../../src/journal/key-value.ts'
import { op } from '../../../src/journal/kinds.ts'
import { AUTHORITY, CATALOG, type NewOp } from '../../../src/journal/op.ts'
import { inRepository, type NodeFacts } from '../../../src/journal/rows.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { LevelStore } from '../../../src/store/level/level-store.ts'

/** The product's store, with LevelDB's merging of its files at hand. */
export class CompactableStore implements KeyValue {
  readonly #directory: string
  #store: LevelStore

  private constructor(directory: string, store: LevelStore) {
    this.#directory = directory
    this.#store = store
  }

  static async open(directory: string): Promise<CompactableStore> {
    return new CompactableStore(directory, await LevelStore.open(directory))
  }

  get(key: string): Uint8Array | undefined {
    return this.#store.get(key)
  }

  range(bounds: KeyRange): AsyncIterable<readonly [string, Uint8Array]> {
    return this.#store.range(bounds)
  }

  write(batch: readonly Write[]): Promise<void> {
    return this.#store.write(batch)
  }

  /** Nobody may use it meanwhile. */
  async compact(): Promise<void> {
    await this.#store.close()
    const level = new ClassicLevel(this.#directory)
    await level.open()
    await level.compactRange('', '\u{10FFFF}')
    await level.close()
    this.#store = await LevelStore.open(this.#directory)
  }

  close(): Promise<void> {
    return this.#store.close()
  }
}

/** A member's journal in a directory of its own, exactly as the product opens it. */
export interface Member {
  readonly directory: string
  readonly identity: Identity
  readonly store: CompactableStore
  readonly journal: ReplicatedJournal
  close(): Promise<void>
}

export async function openMember(directory: string, clusterId: string): Promise<Member> {
  mkdirSync(directory, { recursive: true })
  const identity = await loadOrCreateIdentity(join(directory, 'identity.pem'))
  const store = await CompactableStore.open(join(directory, 'journal'))
  const parts = {
    store,
    node: identity.id,
    format: orbitFormat(identity),
    clusterId,
    clock: systemClock,
    log: silentLogger,
  }
  const journal = new ReplicatedJournal(parts)
  await journal.open()
  const close = async () => {
    await journal.close()
    await store.close()
  }
  return { directory, identity, store, journal, close }
}

/** A new cluster's first member, with an administrator and a project to write tags in. */
export async function foundMember(directory: string): Promise<Member> {
  mkdirSync(directory, { recursive: true })
  const { id: founder } = await loadOrCreateIdentity(join(directory, 'identity.pem'))
  const genesis = writeGenesis({
    name: 'bench',
    founder,
    nonce: new Uint8Array(32),
    time: 1,
    recovery: new Uint8Array(32),
  })
  const member = await openMember(directory, clusterIdOf(genesis))
  await member.journal.commit(AUTHORITY, () => foundingOps(genesis, founder, factsOf('founder')))
  const { ids } = await member.journal.commit(AUTHORITY, () => [
    op(
      'user.created',
      {
        name: 'captain',
        number: 1,
        email: '',
        realname: '',
        comment: '',
        admin: true,
        passwordHash: '$argon2id$x',
      },
      'node',
    ),
  ])
  const owner = ids[0] as string
  await member.journal.commit(AUTHORITY, () => [
    op('project.created', { name: 'hold', number: 2, owner, ownerMember: 3, metadata: {} }, owner),
  ])
  return member
}

/** Records at `issuer` that the node belongs. */
export async function admit(issuer: Member, node: string): Promise<void> {
  const invite = `invite-${node.slice(-12)}`
  await issuer.journal.commit(AUTHORITY, () => [
    op(
      'invite.created',
      { invite, verifier: 'v', expiresAt: 1, role: 'anchor', scope: null, approval: false, days: null },
      'node',
    ),
    op(
      'node.admitted',
      { node, facts: { ...factsOf('member'), addresses: [], swarm: [] }, invite, notAfter: null },
      'node',
    ),
  ])
}

function factsOf(name: string): NodeFacts {
  return {
    name,
    site: 'here',
    addresses: [],
    swarm: [],
    url: null,
    tokenKey: 'k'.repeat(43),
    sealKey: 'k'.repeat(43),
  }
}

/** Writes small ops into the project of `foundMember`: one moved tag each. */
export class TagWriter {
  readonly #journal: ReplicatedJournal
  readonly #projectId: string
  readonly #actor: string

  private constructor(journal: ReplicatedJournal, projectId: string, actor: string) {
    this.#journal = journal
    this.#projectId = projectId
    this.#actor = actor
  }

  static async of({ journal }: Pick<Member, 'journal'>): Promise<TagWriter> {
    for await (const { key, row } of journal.tables.list('projects')) {
      for await (const user of journal.tables.list('users')) return new TagWriter(journal, key, user.key)
      throw new Error(`nobody to write in ${row.name}`)
    }
    throw new Error('no project to write in')
  }

  async put(name: string): Promise<void> {
    await this.#journal.commit(CATALOG, () => [this.op(name)])
  }

  op(name: string): NewOp {
    const place = { projectId: this.#projectId, path: 'app' }
    return op('tag.moved', { ...place, tag: name, digest: digestFor(name) }, this.#actor)
  }

  /** The tag's key in the table. */
  key(name: string): string {
    return inRepository(`${this.#projectId}/app`, name)
  }

  /** The names among rows that changed. */
  static nameOf(key: string): string {
    return key.slice(key.lastIndexOf('\u0000') + 1)
  }
}

/** One of its own for every name: the store compresses what repeats. */
export function digestFor(name: string): Digest {
  return `sha256:${createHash('sha256').update(name).digest('hex')}` as Digest
}

/** Everything `from` holds, in causal order. */
export async function* everything(from: Member): AsyncGenerator<Uint8Array[]> {
  const ranges = Object.entries(from.journal.frontier()).map(([feed, to]) => ({ feed, from: 1, to }))
  let page: Uint8Array[] = []
  for await (const block of from.journal.blocks(ranges)) {
    page.push(block)
    if (page.length < 1000) continue
    yield page
    page = []
  }
  yield page
}

/** Every feed it holds, open as the OrbitDB log it is. */
export async function everyFeed({ store, identity, journal }: Member): Promise<OrbitLog[]> {
  const logs: OrbitLog[] = []
  for (const feed of Object.keys(journal.frontier())) {
    const log = await openFeed(store, identity, journal.cluster, feed)
    await log.heads()
    logs.push(log)
  }
  return logs
}

import { mkdir } from 'node:fs/promises'
import { join } from 'node:path'
import type { BlockFormat } from '../../cluster/ledger/block-format.ts'
import { orbitFormat } from '../../cluster/ledger/orbit-format.ts'
import { ReplicatedJournal } from '../../cluster/ledger/replicated-journal.ts'
import type { FeedRange } from '../../cluster/ledger/stored-feeds.ts'
import { type Identity, loadOrCreateIdentity } from '../../cluster/network/identity.ts'
import type { KeyValue } from '../../src/journal/key-value.ts'
import type { Frontier } from '../../src/journal/op.ts'
import type { BlobStore } from '../../src/registry/blob-store.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { LevelStore } from '../../src/store/level/level-store.ts'
import { openDisk } from '../support/disk.ts'

/** A member's journal over any store, as the product opens it. */
export interface Member {
  readonly identity: Identity
  readonly format: BlockFormat
  readonly store: KeyValue
  readonly journal: ReplicatedJournal
  readonly blobs: BlobStore
  close(): Promise<void>
}

/** Opens what is in the directory, or a new member; nothing is on the network. */
export async function openMember(directory: string, clusterId: string): Promise<Member> {
  await mkdir(directory, { recursive: true })
  const identity = await loadOrCreateIdentity(join(directory, 'identity.pem'))
  const store = await LevelStore.open(join(directory, 'journal'))
  const disk = await openDisk(join(directory, 'blobs'))
  try {
    const member = await openOver({ identity, store, blobs: disk.blobs, clusterId })
    return {
      ...member,
      async close() {
        await member.close()
        await disk.close()
        await store.close()
      },
    }
  } catch (error) {
    await disk.close()
    await store.close()
    throw error
  }
}

export async function openOver(parts: {
  identity: Identity
  store: KeyValue
  blobs: BlobStore
  clusterId: string
  format?: BlockFormat
}): Promise<Member> {
  const { identity, store, blobs, clusterId, format = orbitFormat(identity) } = parts
  const journal = new ReplicatedJournal({
    store,
    node: identity.id,
    format,
    clusterId,
    clock: systemClock,
    log: silentLogger,
    blobs,
  })
  await journal.open()
  return { identity, format, store, journal, blobs, close: () => journal.close() }
}

export async function blocksOf({ journal }: Member, ranges: readonly FeedRange[]): Promise<Uint8Array[]> {
  const blocks: Uint8Array[] = []
  for await (const block of journal.blocks(ranges)) blocks.push(block)
  return blocks
}

/** Everything up to there. */
export function from1(frontier: Frontier): FeedRange[] {
  return Object.entries(frontier).map(([feed, to]) => ({ feed, from: 1, to }))
}

/** What `from` has and `to` has not. */
export async function carry(from: Member, to: Member): Promise<void> {
  const have = to.journal.frontier()
  const ranges = Object.entries(from.journal.frontier())
    .map(([feed, seq]) => ({ feed, from: (have[feed] ?? 0) + 1, to: seq }))
    .filter(({ from: first, to: last }) => first <= last)
  await to.journal.take(await blocksOf(from, ranges), from.identity.id)
  await to.journal.lanes.takeAside()
  await to.journal.settled()
}

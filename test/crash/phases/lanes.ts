import { SnapshotShelf } from '../../../cluster/ledger/snapshots/snapshot-shelf.ts'
import { SnapshotWriter } from '../../../cluster/ledger/snapshots/snapshot-writer.ts'
import type { KeyValue } from '../../../src/journal/key-value.ts'
import { op } from '../../../src/journal/kinds.ts'
import { AUTHORITY, CATALOG, type Lane } from '../../../src/journal/op.ts'
import type { SnapshotRow } from '../../../src/journal/rows.ts'
import { type Digest, parseDigest } from '../../../src/oci/digest.ts'
import { noBlobSource } from '../../../src/registry/blob-source.ts'
import { systemClock } from '../../../src/runtime/clock.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { systemRandom } from '../../../src/runtime/random.ts'
import { systemTimers } from '../../../src/runtime/timers.ts'
import { carry, type Member, openOver } from '../member.ts'
import type { Phase, Place } from '../phase.ts'
import { type Scene, writeTags } from '../scene.ts'
import { commitTag } from './writing.ts'

const SNAPSHOT_ROWS = 600
const MONTH: Lane = 'trail/system/2031-05'

function writerOf({ journal, format, blobs }: Member): SnapshotWriter {
  const shelf = new SnapshotShelf({ blobs, source: noBlobSource, timers: systemTimers })
  const parts = { clock: systemClock, timers: systemTimers, random: systemRandom, log: silentLogger }
  return new SnapshotWriter({ journal, shelf, format, ...parts })
}

function rowOf({ journal }: Member, id: string): SnapshotRow {
  const row = journal.tables.get('snapshots', id)
  if (!row) throw new Error('the snapshot is not on record')
  return row
}

async function copyBlob(from: Member, to: Member, digest: Digest): Promise<void> {
  const blob = await from.blobs.open(digest)
  if (!blob) throw new Error('the snapshot is nowhere')
  const staged = await to.blobs.stage()
  let at = 0
  for await (const chunk of blob.stream()) {
    await staged.write(chunk, at)
    at += chunk.length
  }
  await blob.close()
  await staged.commit(digest)
}

/** `other` writes the catalog down; the node hears of it and has its bytes, and of the catalog what it had before. */
async function snapshotAtOther(scene: Scene): Promise<void> {
  const { other, node } = scene
  const id = (await writerOf(other).write(CATALOG)) as string
  const feed = `${AUTHORITY}@${other.identity.id}`
  const have = node.journal.frontier()[feed] ?? 0
  const range = { feed, from: have + 1, to: other.journal.frontier()[feed] as number }
  for await (const block of other.journal.blocks([range])) await node.journal.take([block], other.identity.id)
  await copyBlob(other, node, parseDigest(rowOf(other, id).digest))
  scene.facts = { ...scene.facts, snapshot: id }
}

async function install({ node, facts }: Pick<Place, 'node' | 'facts'>): Promise<void> {
  const row = rowOf(node, facts.snapshot as string)
  const blob = await node.blobs.open(parseDigest(row.digest))
  if (!blob) throw new Error('the snapshot is not here')
  try {
    await node.journal.lanes.install(row, () => blob.stream())
  } finally {
    await blob.close()
  }
}

export const snapshotTaken: Phase = {
  name: 'snapshot taken',
  async prepare({ node, facts }) {
    await writeTags(node, facts, SNAPSHOT_ROWS, 'mine')
  },
  async run(place) {
    await commitTag(place, 'before')
    const id = (await writerOf(place.node).write(CATALOG)) as string
    place.acknowledge({ ids: [id] })
    await commitTag(place, 'after')
  },
}

async function behindSnapshot(scene: Scene): Promise<void> {
  const { other, node, facts } = scene
  await writeTags(node, facts, 100, 'shared')
  await carry(node, other)
  await writeTags(other, facts, SNAPSHOT_ROWS, 'theirs')
  await snapshotAtOther(scene)
  // What nobody else has yet.
  await writeTags(node, facts, 40, 'unsent')
}

export const snapshotInstalled: Phase = {
  name: 'snapshot installed',
  prepare: behindSnapshot,
  async run(place) {
    await commitTag(place, 'before-1')
    await commitTag(place, 'before-2')
    await install(place)
    await commitTag(place, 'after')
  },
}

/** Writes of an install that has begun to fill the lane, and is not through. */
const TORN_AFTER_WRITES = 6

/** The start after a crash in the midst of an install: it may crash as well. */
export const recovery: Phase = {
  name: 'recovery of an install',
  fromStart: true,
  async prepare(scene) {
    await behindSnapshot(scene)
    const { node, facts } = scene
    const { identity, blobs } = node
    let writes = 0
    let torn: () => void = () => {}
    const stopped = new Promise<void>((resolve) => {
      torn = resolve
    })
    const store: KeyValue = {
      get: (key) => node.store.get(key),
      range: (bounds) => node.store.range(bounds),
      async write(rows) {
        if (writes++ < TORN_AFTER_WRITES) return node.store.write(rows)
        torn()
        return new Promise(() => {})
      },
    }
    const doomed = await openOver({ identity, store, blobs, clusterId: facts.clusterId })
    await Promise.race([stopped, install({ node: doomed, facts })])
  },
  async run({ node, acknowledge }) {
    acknowledge({ frontier: node.journal.frontier() })
  },
}

const event = { action: 'pull', resource: 'app', client: null, outcome: 'done' } as const

export const prune: Phase = {
  name: 'prune',
  async prepare(scene) {
    const { other, node, facts } = scene
    for (const member of [other, node]) {
      await writeTags(member, facts, 300, member === node ? 'mine' : 'theirs')
      for (let n = 0; n < 30; n++)
        await member.journal.commit(MONTH, () => [op('event.recorded', event, 'node')])
    }
    await carry(node, other)
    await carry(other, node)
    await snapshotAtOther(scene)
  },
  async run(place) {
    const { node, facts } = place
    const { id, frontier } = rowOf(node, facts.snapshot as string)
    await commitTag(place, 'before')
    await node.journal.lanes.raiseFloor(CATALOG, { snapshot: id, frontier })
    await node.journal.lanes.deleteBelowFloors(async () => {})
    await commitTag(place, 'between')
    await node.journal.lanes.drop(MONTH)
    await commitTag(place, 'after')
  },
  finish: (journal) => journal.lanes.drop(MONTH),
}

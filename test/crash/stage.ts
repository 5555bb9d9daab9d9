import { cpSync } from 'node:fs'
import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import type { Block, BlockFormat } from '../../cluster/ledger/block-format.ts'
import { orbitFormat } from '../../cluster/ledger/orbit-format.ts'
import { type Identity, loadOrCreateIdentity } from '../../cluster/network/identity.ts'
import type { BlobStore } from '../../src/registry/blob-store.ts'
import { LevelStore } from '../../src/store/level/level-store.ts'
import { SortedRows } from '../simulation/sorted-rows.ts'
import { openDisk } from '../support/disk.ts'
import type { Job } from './child.ts'
import type { Crew } from './crew.ts'
import { blocksOf, from1, type Member, openOver } from './member.ts'
import type { Phase } from './phase.ts'
import { readRecord } from './record.ts'
import { storeOver } from './rows-store.ts'
import { closeScene, type Facts, layScene } from './scene.ts'
import { judgeNode } from './verdict.ts'

/** A phase's scene, laid out once, and the steps the phase takes. */
export interface Stage {
  readonly phase: Phase
  readonly facts: Facts
  readonly steps: readonly string[]
  /** A node's directory as the phase finds it, to be used up. */
  copy(): Promise<string>
  /** The members a node is judged by: one that had written with it, and one that knows nothing yet. */
  judges(): Promise<Judges>
  strike(): Promise<void>
}

export interface Judges {
  readonly other: Member
  readonly fresh: Member
}

export async function setStage(phase: Phase, root: string, crew: Crew): Promise<Stage> {
  const directory = await mkdtemp(join(root, `${phase.name.replaceAll(/\W+/g, '-')}-`))
  await mkdir(directory, { recursive: true })
  const scene = await layScene(directory)
  await phase.prepare(scene)
  const { facts } = scene
  const known = await formatThatKnows(scene.node, scene.other)
  await closeScene(scene)
  const other = await bench(join(directory, 'other'))
  const fresh = await bench(join(directory, 'fresh'))
  const open = ({ identity, rows, blobs }: Bench) =>
    openOver({
      identity,
      blobs,
      store: storeOver(rows.copy()),
      clusterId: facts.clusterId,
      format: known(identity),
    })
  let copies = 0
  const stage: Stage = {
    phase,
    facts,
    steps: [],
    async copy() {
      const copy = `${directory}-${copies++}`
      await mkdir(copy)
      for (const what of ['node', 'facts'])
        cpSync(join(directory, what), join(copy, what), { recursive: true })
      return copy
    },
    judges: async () => ({ other: await open(other), fresh: await open(fresh) }),
    async strike() {
      for (const one of [other, fresh]) await one.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
  return { ...stage, steps: await stepsOf(stage, crew) }
}

async function stepsOf(stage: Stage, crew: Crew): Promise<readonly string[]> {
  const { name } = stage.phase
  const directory = await stage.copy()
  try {
    const job: Job = { phase: name, nodes: [{ directory, kill: null }] }
    const { complaint: ended } = await crew.run(job)
    const { steps, complaint = ended } = readRecord(directory)
    if (complaint !== undefined) throw new Error(`${name} does not even run undisturbed: ${complaint}`)
    const { faults } = await judgeNode(directory, stage)
    if (faults.length > 0) throw new Error(`${name} fails undisturbed: ${faults.join('; ')}`)
    return steps
  } finally {
    await rm(directory, { recursive: true, force: true })
  }
}

interface Bench {
  readonly identity: Identity
  readonly rows: SortedRows
  readonly blobs: BlobStore
  close(): Promise<void>
}

/** What a judge is made from, read once: its own disk is not what is tried. */
async function bench(directory: string): Promise<Bench> {
  await mkdir(directory, { recursive: true })
  const identity = await loadOrCreateIdentity(join(directory, 'identity.pem'))
  const level = await LevelStore.open(join(directory, 'journal'))
  const rows = new SortedRows()
  for await (const [key, value] of level.range({ gte: '', lt: '\u{10FFFF}' })) rows.put(key, value)
  await level.close()
  const disk = await openDisk(join(directory, 'blobs'))
  return { identity, rows, blobs: disk.blobs, close: () => disk.close() }
}

/** The product's format, but for the blocks of the scene: they were checked once, and are the same in every trial. */
async function formatThatKnows(...members: Member[]): Promise<(identity: Identity) => BlockFormat> {
  const known = new Map<string, Block>()
  for (const member of members) {
    const { format, journal } = member
    for (const bytes of await blocksOf(member, from1(journal.frontier()))) {
      const block = await format.read(bytes, journal.cluster)
      await block.verify()
      known.set(block.hash, { ...block, verify: async () => {} })
    }
  }
  return (identity) => {
    const format = orbitFormat(identity)
    return {
      ...format,
      read: async (bytes, cluster) => known.get(format.hashOf(bytes)) ?? format.read(bytes, cluster),
    }
  }
}

import { cp, mkdtemp, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { loadIdentity } from '../../cluster/network/identity.ts'
import type { KeyValue } from '../../src/journal/key-value.ts'
import { LevelStore } from '../../src/store/level/level-store.ts'
import { SimDisk } from '../simulation/disk.ts'
import { World } from '../simulation/world/world.ts'
import { openDisk } from '../support/disk.ts'
import { type Member, openMember, openOver } from './member.ts'
import type { Acknowledged } from './phase.ts'
import type { Stage, Trial } from './trial.ts'
import { faultsOf } from './verdict.ts'

/**
 * Power fails at a write of the phase, over a simulated disk: what was not synced is kept or lost by chance. The
 * journal, its signatures and its blobs are the real ones.
 * @returns undefined where the phase writes less often than that
 */
export async function losePower(stage: Stage, at: number, seed: number): Promise<Trial | undefined> {
  const { phase, facts } = stage
  const copy = await mkdtemp(`${stage.directory}-power-`)
  await cp(stage.directory, copy, { recursive: true })
  const root = join(copy, 'node')
  const identity = await loadIdentity(join(root, 'identity.pem'))
  const files = await openDisk(join(root, 'blobs'))
  const { blobs } = files
  const world = new World(seed * 1_000 + at)
  const disk = new SimDisk(world, 'node')
  await fill(disk, join(root, 'journal'))
  const ends = new AbortController()
  const running = turn(world, ends.signal)
  const opened: Member[] = []
  const open = (store: KeyValue) => openOver({ identity, store, blobs, clusterId: facts.clusterId })
  try {
    const acknowledged: Acknowledged[] = []
    const life = { alive: true }
    let writes = 0
    let gone = () => {}
    const powerGone = new Promise<true>((resolve) => {
      gone = () => resolve(true)
    })
    const inner = disk.open(life)
    const store: KeyValue = {
      ...inner,
      write(rows) {
        if (!life.alive) return new Promise(() => {})
        const written = inner.write(rows)
        if (++writes !== at) return written
        life.alive = false
        disk.crash()
        gone()
        return new Promise(() => {})
      },
    }
    const run = async () => {
      const node = await open(store)
      if (!phase.fromStart) writes = 0
      const acknowledge = (what: Acknowledged) => {
        if (life.alive) acknowledged.push(what)
      }
      await phase.run({ node, facts, acknowledge })
      return false
    }
    if (!(await Promise.race([powerGone, run()]))) return undefined
    const what = `power lost in write ${at}`
    try {
      const node = await open(disk.open({ alive: true }))
      opened.push(node)
      for (const place of ['other', 'fresh']) {
        opened.push(await openMember(join(copy, place), facts.clusterId))
      }
      const [, other, fresh] = opened as [Member, Member, Member]
      const faults = await faultsOf({ node, other, fresh }, phase, facts, acknowledged)
      return { phase: phase.name, what, missed: false, faults }
    } catch (error) {
      const fault = `could not go on: ${error instanceof Error ? error.stack : String(error)}`
      return { phase: phase.name, what, missed: false, faults: [fault] }
    }
  } finally {
    for (const member of opened) await member.close()
    ends.abort()
    await running
    await files.close()
    await rm(copy, { recursive: true, force: true })
  }
}

async function fill(disk: SimDisk, journal: string): Promise<void> {
  const level = await LevelStore.open(journal)
  for await (const [key, value] of level.range({ gte: '', lt: '\u{10FFFF}' })) disk.rows.put(key, value)
  await level.close()
}

/** Lets virtual time pass whenever nothing else is under way; signatures take real time. */
async function turn(world: World, signal: AbortSignal): Promise<void> {
  while (!signal.aborted) {
    await world.run(() => signal.aborted)
    await new Promise((resolve) => setImmediate(resolve))
  }
}

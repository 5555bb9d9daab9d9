import { Entry } from '@orbitdb/core'
import { expect, test } from 'vitest'
import { verifierOf } from '../../../../cluster/ledger/orbit-identity.ts'
import { readBlock } from '../../../../cluster/ledger/signed-entry.ts'
import { isFault } from '../../../../src/errors.ts'
import { everything, foundSite, newCluster, write } from './shipyard.ts'

async function blocksOfFounder() {
  const plan = newCluster()
  const site = await foundSite(plan)
  await write(site, 3)
  return { cluster: plan.clusterId, blocks: await everything(site) }
}

async function isTaken(bytes: Uint8Array, cluster: string): Promise<boolean> {
  try {
    await (await readBlock(bytes, cluster)).verify()
    return true
  } catch (error) {
    if (isFault(error)) return false
    throw error
  }
}

test('a block is read and verified as OrbitDB itself does it', async () => {
  const { cluster, blocks } = await blocksOfFounder()
  for (const bytes of blocks) {
    const block = await readBlock(bytes, cluster)
    await block.verify()
    const orbit = await Entry.decode(bytes)
    expect(await Entry.verify(verifierOf(block.entry.author), orbit)).toBe(true)
    expect([block.hash, block.next]).toEqual([orbit.hash, orbit.next[0]])
  }
})

test('a block with any byte changed, gone or added is refused', async () => {
  const { cluster, blocks } = await blocksOfFounder()
  const bytes = blocks.at(-1)!
  expect(await isTaken(bytes, cluster)).toBe(true)
  for (let at = 0; at < bytes.length; at++) {
    const changed = new Uint8Array(bytes)
    changed[at] = (bytes[at] as number) ^ (1 << (at % 8))
    expect([at, await isTaken(changed, cluster)]).toEqual([at, false])
    expect(await isTaken(bytes.subarray(0, at), cluster)).toBe(false)
  }
  expect(await isTaken(Buffer.concat([bytes, bytes.subarray(0, 1)]), cluster)).toBe(false)
})

import { join } from 'node:path'
import { startStock } from '../../support/stock-orbitdb.ts'
import { count, type Figure, mebibytes } from '../figures.ts'
import { callers } from '../load.ts'
import { startPart } from '../part.ts'
import { bytesOnDisk, inScratch } from '../place.ts'
import type { Scale } from '../scale.ts'
import { digestFor, foundMember, TagWriter } from './member.ts'
import { storeOf, storeOfMany } from './stores.ts'

const NODES = 50

/** Bytes of a store after that many ops, so many sharing an entry, once LevelDB has merged its files. */
async function bytesPerOp(ops: number, together: number): Promise<number> {
  return inScratch(async (directory) => {
    const member = await foundMember(directory)
    const tags = await TagWriter.of(member)
    await member.store.compact()
    const before = bytesOnDisk(join(directory, 'journal'))
    await callers(together, ops, (n) => tags.put(`op-${n}`))
    await member.store.compact()
    const bytes = bytesOnDisk(join(directory, 'journal')) - before
    await member.close()
    return bytes / ops
  })
}

async function stockBytesPerOp(ops: number): Promise<number> {
  return inScratch(async (directory) => {
    const peer = await startStock(directory)
    const db = await peer.open('bench')
    await callers(64, ops, (n) => db.put(`op-${n}`, digestFor(`op-${n}`)))
    await peer.close()
    return bytesOnDisk(directory) / ops
  })
}

async function memoryOf(store: { directory: string; cluster: string }, feeds: boolean): Promise<number> {
  const part = await startPart('restart', store.directory, store.cluster)
  if (feeds) await part.call('openFeeds')
  await part.call('write')
  const bytes = await part.call<number>('memory')
  await part.stop()
  return bytes
}

/** What an op weighs on disk, and a node in memory. */
export async function footprint(scale: Scale): Promise<Figure[]> {
  const ops = scale.brief ? 5_000 : 50_000
  const stockOps = scale.brief ? 500 : 3_000
  const bytes = (value: number) => `${Math.round(value).toLocaleString('en')} B`
  const batched = bytes(await bytesPerOp(ops, 64))
  const alone = bytes(await bytesPerOp(ops / 10, 1))
  const stock = `${bytes(await stockBytesPerOp(stockOps))} (not compacted, no tables)`
  const figures = [
    {
      what: `bytes on disk per tag.moved, ${count(ops)} ops, 64 an entry`,
      ours: batched,
      stock,
      goal: '1,229 B',
    },
    { what: `the same alone in its entry, ${count(ops / 10)} ops`, ours: alone, stock: '', goal: '' },
  ]
  const many = scale.long ? 1_000_000 : scale.brief ? 20_000 : 100_000
  const memory = mebibytes(await memoryOf(await storeOf(many, 64), false))
  figures.push({
    what: `memory with ${count(many)} ops, after a write`,
    ours: memory,
    stock: '',
    goal: '500 MiB',
  })
  const each = scale.brief ? 20 : 200
  const crowd = mebibytes(await memoryOf(await storeOfMany(NODES, each), true))
  const what = `memory with ${NODES} nodes' feeds open as OrbitDB logs, ${each} entries each`
  figures.push({ what, ours: crowd, stock: '', goal: '300 MiB' })
  return figures.map((figure) => ({ bench: 'footprint', ...figure }))
}

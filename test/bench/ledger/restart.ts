import { join } from 'node:path'
import type { OrbitLog } from '@orbitdb/core'
import { startStock } from '../../support/stock-orbitdb.ts'
import { count, type Figure, mebibytes, ms, percentile } from '../figures.ts'
import { machineMs, serveCalls, startPart } from '../part.ts'
import { inScratch } from '../place.ts'
import type { Scale } from '../scale.ts'
import { digestFor, everyFeed, openMember, TagWriter } from './member.ts'
import { storeOf } from './stores.ts'

const READS = 2_000
/** Further apart than one block of the store holds rows, so that reads do not pay for each other. */
const STRIDE = 37

/** In a process of its own: a journal opened on a store that is there. */
export async function serveRestart(directory: string, cluster: string): Promise<void> {
  const member = await openMember(directory, cluster)
  const tags = await TagWriter.of(member)
  const { tables } = member.journal
  const readyAt = machineMs()
  const feeds: OrbitLog[] = []
  const microseconds = (names: readonly string[]) =>
    names.map((name) => {
      const key = tags.key(name)
      const startedAt = performance.now()
      const row = tables.get('tags', key)
      const elapsed = (performance.now() - startedAt) * 1000
      if (row === undefined) throw new Error(`${name} is missing`)
      return elapsed
    })
  await serveCalls(
    {
      readyAt: () => readyAt,
      reads(ops: number) {
        const names = Array.from({ length: READS }, (_, n) => `op-${(n * STRIDE) % ops}`)
        const level = microseconds(names)
        return { level, cache: microseconds(names) }
      },
      memory: () => process.memoryUsage.rss(),
      /** Every feed opened as the OrbitDB log it is, its newest entry read. */
      async openFeeds() {
        feeds.push(...(await everyFeed(member)))
        return feeds.length
      },
      async write() {
        await tags.put('after-restart')
      },
    },
    () => member.close(),
  )
}

/** From starting a process to a journal that answers; and what reading a row costs then. */
export async function restart(scale: Scale): Promise<Figure[]> {
  const figures: Figure[] = []
  const beside = await stockReads(scale.brief ? 500 : 3_000)
  for (const ops of scale.long ? [100_000, 1_000_000] : [scale.brief ? 20_000 : 100_000]) {
    const { directory, cluster } = await storeOf(ops, 64)
    // A restart is not the first start of this build.
    await (await startPart('restart', directory, cluster)).stop()
    const startedAt = machineMs()
    const part = await startPart('restart', directory, cluster)
    const readyMs = (await part.call<number>('readyAt')) - startedAt
    const rss = await part.call<number>('memory')
    const { level, cache } = await part.call<Record<'level' | 'cache', number[]>>('reads', ops)
    await part.stop()
    const rows: [string, string, string, string][] = [
      ['process start -> journal open and read from', ms(readyMs), beside.opened, ops > 100_000 ? '2 s' : ''],
      ['table read from Level, p50 / p99', micro(level), '', '200 µs'],
      ['the same rows again, from cache, p50 / p99', micro(cache), '', '50 µs'],
      ['get of a key', '', beside.read, ''],
      ['memory after start', mebibytes(rss), '', '500 MiB'],
    ]
    figures.push(
      ...rows.map(([what, ours, stock, goal]) => {
        return { bench: 'restart', what: `${count(ops)} ops: ${what}`, ours, stock, goal }
      }),
    )
  }
  return figures
}

function micro(samples: readonly number[]): string {
  return `${percentile(samples, 0.5).toFixed(1)} / ${percentile(samples, 0.99).toFixed(1)} µs`
}

/** Stock's KeyValue finds a key by walking the log back from its head. */
async function stockReads(ops: number): Promise<{ opened: string; read: string }> {
  return inScratch(async (directory) => {
    const before = await startStock(join(directory, 'stock'))
    const written = await before.open('bench')
    for (let n = 0; n < ops; n++) await written.put(`op-${n}`, digestFor(`op-${n}`))
    await before.close()
    const after = await startStock(join(directory, 'stock'))
    const startedAt = performance.now()
    const db = await after.open(written.address)
    await db.get(`op-${ops - 1}`)
    const openedMs = performance.now() - startedAt
    const samples: number[] = []
    for (let n = 0; n < 10; n++) {
      const startedAt = performance.now()
      await db.get(`op-${Math.floor((n * ops) / 10)}`)
      samples.push((performance.now() - startedAt) * 1000)
    }
    await after.close()
    return {
      opened: `${ms(openedMs)} (${count(ops)} ops, without the process)`,
      read: `${micro(samples)} (${count(ops)} ops)`,
    }
  })
}

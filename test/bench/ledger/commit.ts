import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { startStock } from '../../support/stock-orbitdb.ts'
import { type Figure, ms, percentile, perSecond, spread } from '../figures.ts'
import { callers, oneByOne } from '../load.ts'
import { inScratch } from '../place.ts'
import type { Scale } from '../scale.ts'
import { digestFor, foundMember, TagWriter } from './member.ts'

const CALLERS = 64

/** What a lone synced write costs on this file system now: a Level batch, and a bare file. */
async function bareSync(directory: string, total: number): Promise<{ level: number[]; file: number[] }> {
  const kibibyte = new Uint8Array(1024).fill(1)
  const db = new ClassicLevel<string, Uint8Array>(join(directory, 'bare'), { valueEncoding: 'view' })
  await db.open()
  const level = await oneByOne(total, (n) =>
    db.batch([{ type: 'put', key: `k${n}`, value: kibibyte }], { sync: true }),
  )
  await db.close()
  const handle = await open(join(directory, 'bare.file'), 'w')
  const file = await oneByOne(total, async () => {
    await handle.write(kibibyte)
    await handle.datasync()
  })
  await handle.close()
  return { level, file }
}

/** Acknowledged ops a second, with 64 callers and with one. Ours are on stable storage by then; stock's are not. */
export async function commit(scale: Scale): Promise<Figure[]> {
  return inScratch(async (directory) => {
    const member = await foundMember(join(directory, 'ours'))
    const tags = await TagWriter.of(member)
    await callers(CALLERS, 2_000, (n) => tags.put(`warm-${n}`))
    const many = scale.brief ? 10_000 : 60_000
    const manyMs = await callers(CALLERS, many, (n) => tags.put(`many-${n}`))
    const lone = scale.brief ? 1_000 : 5_000
    const bare = await bareSync(directory, Math.min(lone, 1_000))
    const loneSamples = await oneByOne(lone, (n) => tags.put(`lone-${n}`))
    await member.close()

    const peer = await startStock(join(directory, 'stock'))
    const db = await peer.open('bench')
    const stockTotal = scale.brief ? 500 : 3_000
    const stockManyMs = await callers(CALLERS, stockTotal, (n) => db.put(`many-${n}`, digestFor(`many-${n}`)))
    const stockSamples = await oneByOne(stockTotal, (n) => db.put(`lone-${n}`, digestFor(`lone-${n}`)))
    await peer.close()

    const total = (samples: readonly number[]) => samples.reduce((sum, one) => sum + one, 0)
    const p99 = percentile(loneSamples, 0.99)
    const bound = 3 * percentile(bare.level, 0.99) + 5
    const rows: [string, string, string, string][] = [
      [
        `acknowledged ops, ${CALLERS} callers`,
        perSecond(many, manyMs),
        perSecond(stockTotal, stockManyMs),
        '8,000/s',
      ],
      [
        'acknowledged ops, 1 caller',
        perSecond(lone, total(loneSamples)),
        perSecond(stockTotal, total(stockSamples)),
        '1,000/s',
      ],
      [
        'p50 / p99, 1 caller',
        spread(loneSamples),
        spread(stockSamples),
        `p99 < ${ms(bound)} (3x fsync + 5 ms)`,
      ],
      ['bare Level batch of 1 KiB, synced, p50 / p99', spread(bare.level), '', ''],
      ['bare 1 KiB write + fdatasync, p50 / p99', spread(bare.file), '', ''],
      ['p99 within the goal', p99 < bound ? 'yes' : 'no', '', 'yes'],
    ]
    return rows.map(([what, ours, stock, goal]) => ({ bench: 'commit', what, ours, stock, goal }))
  })
}

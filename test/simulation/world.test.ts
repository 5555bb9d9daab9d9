import { describe, expect, test } from 'vitest'
import { isFault } from '../../src/errors.ts'
import { SimDisk } from './disk.ts'
import { simulate } from './simulation.ts'
import { SortedRows } from './sorted-rows.ts'
import { SimClock } from './world/time.ts'
import { World } from './world/world.ts'

describe('a run', () => {
  test('is the same each time for one seed, and another for another', async () => {
    const [one, again, other] = [
      await simulate({ seed: 11, nodes: 3, events: 300 }),
      await simulate({ seed: 11, nodes: 3, events: 300 }),
      await simulate({ seed: 12, nodes: 3, events: 300 }),
    ]
    expect(again.traceHash).toBe(one.traceHash)
    expect(other.traceHash).not.toBe(one.traceHash)
    expect(one.events).toBeGreaterThanOrEqual(300)
  })

  test('a promise nobody waits for that fails is noticed', async () => {
    const world = new World(1)
    world.schedule(1, 'throws', () => {
      throw new Error('nobody caught this')
    })
    await world.run(() => false)
    expect(world.violation?.what).toContain('nobody caught this')
  })
})

describe('a disk', () => {
  const put = (key: string) => [{ type: 'put' as const, key, value: new Uint8Array(1) }]

  test('a crash keeps what was synced, and of the rest whole batches or nothing', async () => {
    const kept = new Set<number>()
    for (let seed = 0; seed < 20; seed++) {
      const world = new World(seed)
      const disk = new SimDisk(world, 'n')
      const store = disk.open({ alive: true })
      let synced = false
      void store.write(put('a')).then(() => {
        synced = true
      })
      await world.run(() => synced)
      void store.write([...put('b'), ...put('c')])
      disk.crash()
      kept.add(disk.rows.size)
    }
    expect(kept).toEqual(new Set([1, 3]))
  })

  test('a full one takes nothing', async () => {
    const disk = new SimDisk(new World(1), 'n')
    disk.faults.full = true
    const refused = disk.open({ alive: true }).write(put('a'))
    await expect(refused).rejects.toSatisfy((error) => isFault(error, 'STORAGE_FULL'))
  })

  test('rows come in the order of their UTF-8 bytes', () => {
    const rows = new SortedRows()
    const keys = ['t/a', 't/\u{1f980}', 't/\uffff', 't/zoë', 't/b']
    for (const key of keys) rows.put(key, new Uint8Array())
    const sorted = [...keys].sort((a, b) => Buffer.compare(Buffer.from(a), Buffer.from(b)))
    const found = rows.range({ gte: 't/', lt: 't/\u{10ffff}' }).map(([key]) => key)
    expect(found).toEqual(sorted)
  })
})

test('a wall clock may jump, the monotonic one does not', () => {
  const world = new World(1)
  const clock = new SimClock(world)
  const before = clock.now()
  clock.skewMs = -1e9
  expect(clock.now()).toBeLessThan(before)
  expect(clock.monotonic()).toBe(0)
})

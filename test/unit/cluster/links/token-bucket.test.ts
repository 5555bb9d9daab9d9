import { describe, expect, it } from 'vitest'
import { BURST_MS } from '../../../../cluster/links/limits.ts'
import { TokenBucket } from '../../../../cluster/links/token-bucket.ts'
import { HandTime } from './hand-time.ts'

const never = new AbortController().signal

/** When each of so many takes of 1000 bytes was let go, in milliseconds. */
async function letGo(takes: number, rate: number): Promise<number[]> {
  const time = new HandTime()
  const bucket = new TokenBucket(time)
  const begin = time.clock.monotonic()
  const at: number[] = []
  const waiting = Array.from({ length: takes }, () =>
    bucket.take(1000, rate, never).then(() => at.push(time.clock.monotonic() - begin)),
  )
  await time.run()
  await Promise.all(waiting)
  return at
}

describe('a token bucket', () => {
  it('lets go a burst, then so many bytes a second', async () => {
    const at = await letGo(10, 10_000)
    expect(at.filter((ms) => ms === 0)).toHaveLength(1 + Math.floor(BURST_MS / 100))
    expect(at.at(-1)).toBe(900 - BURST_MS)
  })

  it('saves no more than a burst while it is idle', async () => {
    const time = new HandTime()
    const bucket = new TokenBucket(time)
    await bucket.take(1000, 10_000, never)
    time.advance(60_000)
    const begin = time.clock.monotonic()
    const all = Promise.all(Array.from({ length: 21 }, () => bucket.take(1000, 10_000, never)))
    await time.run()
    await all
    expect(time.clock.monotonic() - begin).toBe(2000 - BURST_MS)
  })

  it('serves in order, whatever the sizes', async () => {
    const time = new HandTime()
    const bucket = new TokenBucket(time)
    const order: number[] = []
    const takes = [50_000, 10, 20_000, 10].map((bytes, index) =>
      bucket.take(bytes, 10_000, never).then(() => order.push(index)),
    )
    await time.run()
    await Promise.all(takes)
    expect(order).toEqual([0, 1, 2, 3])
  })

  it('lets a wait be abandoned', async () => {
    const time = new HandTime()
    const bucket = new TokenBucket(time)
    const leaving = new AbortController()
    await bucket.take(100_000, 10_000, never)
    const waiting = bucket.take(1, 10_000, leaving.signal)
    leaving.abort(new Error('gone'))
    await expect(waiting).rejects.toThrow('gone')
  })
})

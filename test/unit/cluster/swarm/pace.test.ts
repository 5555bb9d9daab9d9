import { expect, it } from 'vitest'
import { Bucket } from '../../../../cluster/swarm/pace.ts'

it('a bucket lets out its rate over time, however the bytes are cut', () => {
  for (const bytes of [100, 1_000, 16_384]) {
    let now = 0
    const bucket = new Bucket({ now: () => now, monotonic: () => now }, 100_000)
    let out = 0
    while (now < 60_000) {
      const waitMs = bucket.take(bytes)
      if (waitMs === 0) out += bytes
      else now += waitMs
    }
    expect(out / 6_000_000).toBeGreaterThan(0.99)
    expect(out / 6_000_000).toBeLessThan(1.01)
  }
})

it('a bucket that rested lets out no more than a tenth of a second at once', () => {
  let now = 0
  const bucket = new Bucket({ now: () => now, monotonic: () => now }, 100_000)
  now = 3_600_000
  let out = 0
  while (bucket.take(1_000) === 0) out += 1_000
  expect(out).toBe(10_000)
})

import { expect, it } from 'vitest'
import { Distrust } from '../../../../cluster/swarm/distrust.ts'
import { DISTRUST_MS, SUSPICION_MS } from '../../../../cluster/swarm/limits.ts'
import { parseDigest } from '../../../../src/oci/digest.ts'
import { HandClock } from '../../../support/sites.ts'

const [one, other] = ['1', '2'].map((digit) => parseDigest(`sha256:${digit.repeat(64)}`)) as [never, never]

it('passes a liar over for the blob it lied about, and suspects it of others for longer', () => {
  const clock = new HandClock()
  const distrust = new Distrust(clock)
  distrust.add(one, 'liar')
  expect([distrust.has(one, 'liar'), distrust.has(other, 'liar')]).toEqual([true, false])
  expect([distrust.isSuspect('liar'), distrust.isSuspect('honest')]).toEqual([true, false])
  clock.advance(DISTRUST_MS + 1)
  expect([distrust.has(one, 'liar'), distrust.isSuspect('liar')]).toEqual([false, true])
  clock.advance(SUSPICION_MS)
  expect(distrust.isSuspect('liar')).toBe(false)
})

import { expect, test } from 'vitest'
import { FrameFollower } from '../../../../cluster/network/frame-guard.ts'

function frame(type: number, length: number, data = type === 0 ? length : 0): Buffer {
  const bytes = Buffer.alloc(12 + data, 0xee)
  bytes.set([0, type, 0, 0, 0, 0, 0, 1])
  bytes.writeUInt32BE(length, 8)
  return bytes
}

test('the largest announced data is found, however the frames are cut into chunks', () => {
  // Ping and window update carry a number where data frames carry a length.
  const stream = Buffer.concat([
    frame(0, 5),
    frame(1, 4_000_000_000),
    frame(2, 3_000_000_000),
    frame(0, 900),
    frame(0, 3),
  ])
  for (let size = 1; size < 40; size++) {
    const frames = new FrameFollower()
    let largest = 0
    for (let at = 0; at < stream.length; at += size)
      largest = Math.max(largest, frames.largest(stream.subarray(at, at + size)))
    expect(largest).toBe(900)
  }
})

test('a length is known as soon as its header is', () => {
  const frames = new FrameFollower()
  const header = frame(0, 0xffffffff, 0)
  expect(frames.largest(header.subarray(0, 11))).toBe(0)
  expect(frames.largest(header.subarray(11))).toBe(0xffffffff)
})

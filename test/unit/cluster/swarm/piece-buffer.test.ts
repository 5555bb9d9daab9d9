import { randomBytes } from 'node:crypto'
import { describe, expect, it } from 'vitest'
import { BLOCK_BYTES, PieceBuffer } from '../../../../cluster/swarm/piece-buffer.ts'

const SIZE = 3 * BLOCK_BYTES + 5
const goods = randomBytes(SIZE)
const block = (n: number) => goods.subarray(n * BLOCK_BYTES, Math.min(SIZE, (n + 1) * BLOCK_BYTES))

function piece() {
  const bytes = new Uint8Array(SIZE)
  const complete: Uint8Array[] = []
  return { bytes, complete, buffer: new PieceBuffer(bytes, (whole) => complete.push(whole)) }
}

describe('a piece under way', () => {
  it('hands out every block once, and again what was given up', () => {
    const { buffer } = piece()
    expect([0, 1, 2, 3, 4].map(() => buffer.reserve())).toEqual([0, 1, 2, 3, -1])
    buffer.cancel(2)
    expect([buffer.reserve(), buffer.reserve()]).toEqual([2, -1])
    expect([buffer.chunkLength(2), buffer.chunkLength(3)]).toEqual([BLOCK_BYTES, 5])
  })

  it('is complete with its last block, in whatever order and by whatever way they come', () => {
    const { buffer, bytes, complete } = piece()
    const inlet = buffer.inlet(BLOCK_BYTES, BLOCK_BYTES)!
    inlet.bytes.set(block(1))
    buffer.set(3, block(3))
    buffer.set(1, inlet.bytes)
    buffer.set(0, block(0))
    expect(complete).toEqual([])
    buffer.set(2, block(2))
    expect(complete).toEqual([bytes])
    expect(Buffer.from(bytes).equals(goods)).toBe(true)
    expect(buffer.reserve()).toBe(-1)
  })

  it('does not let what is still arriving touch a block that has come from elsewhere', () => {
    const { buffer, complete } = piece()
    const slow = buffer.inlet(0, BLOCK_BYTES)!
    expect(buffer.inlet(0, BLOCK_BYTES)).toBeUndefined()
    buffer.set(0, block(0))
    expect(slow.open).toBe(false)
    // The slow one ends, too: it must not count twice.
    buffer.set(0, slow.bytes)
    for (const n of [1, 2]) buffer.set(n, block(n))
    expect(complete).toEqual([])
    buffer.set(3, block(3))
    expect(complete).toHaveLength(1)
  })

  it('has a place only for whole blocks of its own', () => {
    const { buffer } = piece()
    expect(buffer.inlet(5, BLOCK_BYTES)).toBeUndefined()
    expect(buffer.inlet(0, BLOCK_BYTES - 1)).toBeUndefined()
    expect(buffer.inlet(4 * BLOCK_BYTES, BLOCK_BYTES)).toBeUndefined()
    expect(buffer.inlet(3 * BLOCK_BYTES, 5)).toBeDefined()
  })
})

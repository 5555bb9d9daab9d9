import { encode as slow, decode as slowly } from 'cborg'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { decode } from '../../../src/journal/cbor-decode.ts'
import { encode } from '../../../src/journal/cbor-encode.ts'

const leaf = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 80 }),
  fc.string({ unit: 'grapheme', maxLength: 80 }),
  fc.string({ maxLength: 600 }),
  fc.maxSafeInteger(),
  fc.integer({ min: -300, max: 70_000 }),
  fc.double(),
  fc.boolean(),
  fc.constantFrom(null, undefined, 0, -0, 23, 24, 255, 256, 65_535, 65_536, 2 ** 32 - 1, 2 ** 32),
  fc.bigInt({ min: -(2n ** 63n), max: 2n ** 63n }),
  fc.uint8Array({ maxLength: 300 }),
)
const { value } = fc.letrec((tie) => ({
  value: fc.oneof(
    { depthSize: 'small' },
    leaf,
    fc.array(tie('value'), { maxLength: 30 }),
    fc.dictionary(
      fc.oneof(fc.string({ maxLength: 30 }), fc.string({ unit: 'binary', maxLength: 4 })),
      tie('value'),
      { maxKeys: 30 },
    ),
  ),
}))

test('the bytes are those of cborg, whatever the value', () => {
  fc.assert(
    fc.property(value, (one) => {
      expect(Buffer.from(encode(one)).toString('hex')).toBe(Buffer.from(slow(one)).toString('hex'))
    }),
    { numRuns: 1_000 },
  )
})

test('a value is not written into again by the next', () => {
  const first = encode({ name: 'first', of: [1, 2, 3] })
  encode({ name: 'other', of: [4, 5, 6] })
  expect(decode(first)).toEqual({ name: 'first', of: [1, 2, 3] })
})

test('a value larger than the room kept is whole, and so is what comes after it', () => {
  const large = { body: new Uint8Array(3 * 1024 * 1024).fill(7), text: 'é'.repeat(100_000) }
  expect(Buffer.from(encode(large)).equals(slow(large))).toBe(true)
  expect(decode(encode({ small: true }))).toEqual({ small: true })
})

test('what contains itself is refused as cborg refuses it', () => {
  const loop: unknown[] = []
  loop.push(loop)
  expect(() => encode(loop)).toThrow(/circular/)
})

test('what was encoded is read as cborg reads it', () => {
  fc.assert(
    fc.property(value, (one) => {
      const bytes = slow(one)
      expect(decode(bytes)).toStrictEqual(slowly(bytes))
    }),
    { numRuns: 1_000 },
  )
})

test('bytes that are no value, or not one only, are refused as cborg refuses them', () => {
  const outcome = (read: (bytes: Uint8Array) => unknown, bytes: Uint8Array) => {
    try {
      return { value: read(bytes) }
    } catch (error) {
      return { error: (error as Error).message }
    }
  }
  const damaged = fc.tuple(value, fc.nat(), fc.nat(255), fc.nat(3)).map(([one, at, byte, cut]) => {
    const bytes = Uint8Array.from(slow(one))
    bytes[at % bytes.length] = byte
    return bytes.subarray(0, bytes.length - cut)
  })
  fc.assert(
    fc.property(fc.oneof(damaged, fc.uint8Array({ maxLength: 40 })), (bytes) => {
      expect(outcome(decode, bytes)).toStrictEqual(outcome(slowly, bytes))
    }),
    { numRuns: 2_000 },
  )
})

test('a key that would change what an object is stays a key', () => {
  const bytes = Buffer.from('a1695f5f70726f746f5f5f6178', 'hex')
  expect(decode(bytes)).toStrictEqual(slowly(bytes))
  expect(Object.getPrototypeOf(decode(bytes))).toBe(Object.prototype)
})

test('bytes that were read may be written over without changing what was read', () => {
  const bytes = Uint8Array.from(slow({ body: new Uint8Array([1, 2, 3]) }))
  const value = decode(bytes)
  bytes.fill(0)
  expect(value).toEqual({ body: new Uint8Array([1, 2, 3]) })
})

import { assert, json, nat, property, string } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { parseStrictJson } from '../../../src/oci/json.ts'

const parse = (text: string) => parseStrictJson(Buffer.from(text))
const invalid = expect.objectContaining({ code: 'JSON_INVALID' })

describe('strict JSON', () => {
  it('reads every document of JSON.stringify as JSON.parse does', () => {
    assert(
      property(json({ maxDepth: 8 }), (text) => {
        // JSON.stringify of an object cannot repeat a key, so nothing may be refused.
        const once = JSON.stringify(JSON.parse(text))
        expect(parse(once)).toEqual(JSON.parse(once))
      }),
    )
  })

  it('refuses any object in which a key is written twice, at any place', () => {
    assert(
      property(string(), json({ maxDepth: 3 }), nat(5), (key, other, depth) => {
        const literal = JSON.stringify(key)
        const twice = `{"x":${other},${literal}:1,${literal}:1}`
        const text = `${'[{"k":'.repeat(depth)}${twice}${'}]'.repeat(depth)}`
        expect(() => parse(text)).toThrow(invalid)
      }),
    )
  })

  it('takes an escaped key for what it says', () => {
    expect(() => parse('{"a":1,"\\u0061":2}')).toThrow(invalid)
    expect(() => parse('{"a\\"b":1,"a\\u0022b":2}')).toThrow(invalid)
  })

  it('allows the same key in two objects, and as a value', () => {
    expect(parse('{"a":{"a":"a"},"b":["a","a",{"a":1},{"a":1}]}')).toEqual({
      a: { a: 'a' },
      b: ['a', 'a', { a: 1 }, { a: 1 }],
    })
  })

  it('keeps __proto__ an ordinary key', () => {
    const value = parse('{"__proto__":{"polluted":true}}')
    expect(Object.keys(value as object)).toEqual(['__proto__'])
    expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
  })

  it.each([
    ['nothing', ''],
    ['a trailing comma', '{"a":1,}'],
    ['a byte order mark', '\uFEFF{}'],
    ['two documents', '{}{}'],
    ['a comment', '{}//'],
    ['depth 65', '['.repeat(65) + ']'.repeat(65)],
    ['depth a stack would not survive', '['.repeat(1_000_000) + ']'.repeat(1_000_000)],
  ])('refuses %s', (_, text) => {
    expect(() => parse(text)).toThrow(invalid)
  })

  it('takes depth 64', () => {
    expect(parse('['.repeat(64) + ']'.repeat(64))).toBeDefined()
  })

  it.each([
    ['an overlong slash', [0x22, 0xc0, 0xaf, 0x22]],
    ['a surrogate', [0x22, 0xed, 0xa0, 0x80, 0x22]],
    ['Latin-1', [0x22, 0xfc, 0x22]],
    ['UTF-16', [0xff, 0xfe, 0x7b, 0x00, 0x7d, 0x00]],
  ])('refuses bytes that are not UTF-8: %s', (_, bytes) => {
    expect(() => parseStrictJson(Uint8Array.from(bytes))).toThrow(invalid)
  })
})

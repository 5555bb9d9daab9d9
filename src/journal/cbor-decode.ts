import { decode as decodeAny } from 'cborg'

/**
 * What cborg's `decode` reads from the bytes, several times quicker for what rows are made of. Anything else, and
 * all that is not well-formed, is left to cborg: to be read, or to be refused in its words.
 */
export function decode(bytes: Uint8Array): unknown {
  const source = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length)
  const at: Cursor = { source, next: 0, level: 0 }
  try {
    const value = read(at)
    if (at.next === source.length) return value
  } catch (error) {
    if (error !== UNUSUAL) throw error
  }
  return decodeAny(bytes)
}

interface Cursor {
  readonly source: Buffer
  next: number
  level: number
}

const LEVELS_MAX = 64
/** Longer text is hardly ever the same twice. */
const KNOWN_BYTES_MAX = 160
/** A power of two. */
const KNOWN_SLOTS = 4096

/** Something is left to cborg. */
const UNUSUAL = new Error('left to cborg')

/**
 * Texts read lately. Names of fields, nodes and feeds stand in rows over and over: they are told by their bytes, and
 * all rows share them.
 */
const known = Array.from({ length: KNOWN_SLOTS }, () => '')

function read(at: Cursor): unknown {
  const first = at.source[at.next++]
  if (first === undefined) throw UNUSUAL
  switch (first >> 5) {
    case 0:
      return argument(at, first)
    case 1:
      return -1 - argument(at, first)
    case 2:
      return readBytes(at, argument(at, first))
    case 3:
      return readText(at, argument(at, first))
    case 4:
      return readArray(at, argument(at, first))
    case 5:
      return readMap(at, argument(at, first))
    default:
      if (first === 0xf4) return false
      if (first === 0xf5) return true
      if (first === 0xf6) return null
      throw UNUSUAL
  }
}

function argument(at: Cursor, first: number): number {
  const { source, next } = at
  const info = first & 0x1f
  if (info < 24) return info
  const size = info === 24 ? 1 : info === 25 ? 2 : info === 26 ? 4 : info === 27 ? 8 : 0
  if (size === 0 || next + size > source.length) throw UNUSUAL
  at.next = next + size
  if (size < 8) return source.readUIntBE(next, size)
  const value = source.readUInt32BE(next) * 0x1_0000_0000 + source.readUInt32BE(next + 4)
  if (value >= Number.MAX_SAFE_INTEGER) throw UNUSUAL
  return value
}

function take(at: Cursor, length: number): number {
  const begin = at.next
  if (begin + length > at.source.length) throw UNUSUAL
  at.next = begin + length
  return begin
}

function readBytes(at: Cursor, length: number): Uint8Array {
  const begin = take(at, length)
  return new Uint8Array(at.source.subarray(begin, begin + length))
}

function readText(at: Cursor, length: number): string {
  const begin = take(at, length)
  const { source } = at
  if (length > KNOWN_BYTES_MAX) return source.toString('utf8', begin, begin + length)
  const end = begin + length
  const slot = slotOf(source, begin, end)
  const before = known[slot] as string
  if (before.length === length && isThat(source, begin, before)) return before
  const text = source.toString('utf8', begin, end)
  // Of other letters the number of bytes is another than that of letters.
  if (text.length === length) known[slot] = text
  return text
}

/** Ids differ in their last letters, names in their length and first. */
function slotOf(source: Buffer, begin: number, end: number): number {
  let sum = end - begin
  const sampled = Math.max(begin, end - 6)
  for (let n = sampled; n < end; n++) sum = (sum * 31 + (source[n] as number)) | 0
  return (sum * 31 + (source[begin] as number)) & (KNOWN_SLOTS - 1)
}

function isThat(source: Buffer, begin: number, text: string): boolean {
  for (let n = text.length - 1; n >= 0; n--) if (source[begin + n] !== text.charCodeAt(n)) return false
  return true
}

function readArray(at: Cursor, length: number): unknown[] {
  deeper(at)
  // As many as are said to be there may not be: nothing is set aside for them.
  const items: unknown[] = []
  for (let n = 0; n < length; n++) items.push(read(at))
  at.level -= 1
  return items
}

function readMap(at: Cursor, length: number): Record<string, unknown> {
  deeper(at)
  const map: Record<string, unknown> = {}
  for (let n = 0; n < length; n++) {
    const first = at.source[at.next++]
    if (first === undefined || first >> 5 !== 3) throw UNUSUAL
    const key = readText(at, argument(at, first))
    if (key === '__proto__') throw UNUSUAL
    map[key] = read(at)
  }
  at.level -= 1
  return map
}

function deeper(at: Cursor): void {
  at.level += 1
  if (at.level > LEVELS_MAX) throw UNUSUAL
}

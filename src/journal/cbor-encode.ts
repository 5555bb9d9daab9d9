import { encode as encodeAny } from 'cborg'

/**
 * The bytes cborg's `encode` gives, several times quicker for what rows and entries are made of: plain objects,
 * arrays, strings, bytes, whole numbers. Whatever else there is in a value leaves all of it to cborg.
 */
export function encode(value: unknown): Uint8Array {
  end = 0
  try {
    write(value, 0)
  } catch (error) {
    if (error !== UNUSUAL) throw error
    return encodeAny(value)
  }
  const bytes = new Uint8Array(end)
  bytes.set(scratch.subarray(0, end))
  // One large value is no reason to hold its size for good.
  if (scratch.length > SCRATCH_BYTES_KEPT) scratch = Buffer.allocUnsafeSlow(SCRATCH_BYTES_KEPT)
  return bytes
}

const SCRATCH_BYTES_KEPT = 1024 * 1024
/** Deeper than any row; also ends on what contains itself. */
const LEVELS_MAX = 64
/** Longer text is better left to the runtime than written letter by letter. */
const LETTERS_MAX = 48

const MAJOR = { uint: 0x00, negative: 0x20, bytes: 0x40, text: 0x60, array: 0x80, map: 0xa0 } as const
/** Letters of more than one byte, and some that never stand in a key. */
const NOT_ASCII = /[^ -~]/
const FALSE = 0xf4
const TRUE = 0xf5
const NULL = 0xf6

/** Something is left to cborg; made once, for a trace of calls costs more than the bytes. */
const UNUSUAL = new Error('left to cborg')

/** Encoding is synchronous, so one place to write in serves all. */
let scratch = Buffer.allocUnsafeSlow(64 * 1024)
let end = 0

function write(value: unknown, level: number): void {
  switch (typeof value) {
    case 'string':
      return writeText(value)
    case 'number':
      if (!Number.isSafeInteger(value) || Object.is(value, -0)) throw UNUSUAL
      return value >= 0 ? writeHead(MAJOR.uint, value) : writeHead(MAJOR.negative, -1 - value)
    case 'boolean':
      return writeByte(value ? TRUE : FALSE)
    case 'object':
      if (value === null) return writeByte(NULL)
      if (level > LEVELS_MAX) throw UNUSUAL
      if (Array.isArray(value)) return writeArray(value, level)
      if (value instanceof Uint8Array) return writeBytes(value)
      return writeMap(value as Readonly<Record<string, unknown>>, level)
    default:
      throw UNUSUAL
  }
}

function writeArray(items: readonly unknown[], level: number): void {
  writeHead(MAJOR.array, items.length)
  for (let n = 0; n < items.length; n++) write(items[n], level + 1)
}

function writeMap(value: Readonly<Record<string, unknown>>, level: number): void {
  const prototype: unknown = Object.getPrototypeOf(value)
  if (prototype !== Object.prototype && prototype !== null) throw UNUSUAL
  const keys = inOrder(Object.keys(value))
  writeHead(MAJOR.map, keys.length)
  for (const key of keys) {
    writeText(key)
    write(value[key], level + 1)
  }
}

/** Shorter keys first, then by their letters. Rows that were read have them so. */
function inOrder(keys: string[]): string[] {
  for (let n = 0; n < keys.length; n++) {
    const key = keys[n] as string
    // Cborg goes by the bytes of a key, of which other letters have more than one.
    if (NOT_ASCII.test(key)) throw UNUSUAL
    let at = n
    while (at > 0 && comesBefore(key, keys[at - 1] as string)) {
      keys[at] = keys[at - 1] as string
      at -= 1
    }
    keys[at] = key
  }
  return keys
}

function comesBefore(a: string, b: string): boolean {
  return a.length === b.length ? a < b : a.length < b.length
}

function writeBytes(bytes: Uint8Array): void {
  writeHead(MAJOR.bytes, bytes.length)
  makeRoom(bytes.length)
  scratch.set(bytes, end)
  end += bytes.length
}

function writeText(text: string): void {
  const { length } = text
  if (length > LETTERS_MAX) return writeLongText(text)
  makeRoom(length + 2)
  const begin = end
  let at = begin + (length < 24 ? 1 : 2)
  for (let n = 0; n < length; n++) {
    const letter = text.charCodeAt(n)
    if (letter > 0x7f) return writeLongText(text)
    scratch[at++] = letter
  }
  if (length < 24) scratch[begin] = MAJOR.text | length
  else {
    scratch[begin] = MAJOR.text | 24
    scratch[begin + 1] = length
  }
  end = at
}

function writeLongText(text: string): void {
  const length = Buffer.byteLength(text)
  // Half of a pair is mended, each in its own way.
  if (length !== text.length && !text.isWellFormed()) throw UNUSUAL
  writeHead(MAJOR.text, length)
  makeRoom(length)
  end += scratch.write(text, end)
}

function writeByte(byte: number): void {
  makeRoom(1)
  scratch[end++] = byte
}

function writeHead(major: number, value: number): void {
  makeRoom(9)
  if (value < 24) scratch[end++] = major | value
  else if (value < 0x100) {
    scratch[end++] = major | 24
    scratch[end++] = value
  } else if (value < 0x1_0000) {
    scratch[end++] = major | 25
    end = scratch.writeUInt16BE(value, end)
  } else if (value < 0x1_0000_0000) {
    scratch[end++] = major | 26
    end = scratch.writeUInt32BE(value, end)
  } else {
    scratch[end++] = major | 27
    end = scratch.writeUInt32BE(Math.floor(value / 0x1_0000_0000), end)
    end = scratch.writeUInt32BE(value % 0x1_0000_0000, end)
  }
}

function makeRoom(bytes: number): void {
  if (end + bytes <= scratch.length) return
  const larger = Buffer.allocUnsafeSlow(Math.max(scratch.length * 2, end + bytes))
  larger.set(scratch.subarray(0, end))
  scratch = larger
}

import { Fault } from '../errors.ts'

export type Json = null | boolean | number | string | readonly Json[] | JsonObject
export type JsonObject = { readonly [key: string]: Json }

/** Deep enough for any descriptor in a manifest; past it a document only tries a reader's stack. */
const DEPTH_MAX = 64

/**
 * JSON that every reader understands the same way: UTF-8 without exception, no byte order mark, no
 * object with the same key twice (readers differ on which one counts), bounded depth.
 * @throws Fault JSON_INVALID
 */
export function parseStrictJson(bytes: Uint8Array): Json {
  const text = decodeUtf8(bytes)
  let value: Json
  try {
    value = JSON.parse(text) as Json
  } catch (error) {
    throw new Fault('JSON_INVALID', 'the document is not JSON', {}, error)
  }
  refuseAmbiguity(text)
  return value
}

function decodeUtf8(bytes: Uint8Array): string {
  try {
    // ignoreBOM keeps a mark in the text, where JSON.parse refuses it.
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes)
  } catch (error) {
    throw new Fault('JSON_INVALID', 'the document is not UTF-8', {}, error)
  }
}

/** Walks a text that JSON.parse has accepted, so it need not check the grammar again. */
function refuseAmbiguity(text: string): void {
  // One entry per open container: the keys seen so far of an object, undefined for an array.
  const open: (Set<string> | undefined)[] = []
  let keyExpected = false
  for (let at = 0; at < text.length; at++) {
    switch (text[at]) {
      case '{':
      case '[':
        keyExpected = text[at] === '{'
        open.push(keyExpected ? new Set() : undefined)
        if (open.length > DEPTH_MAX) {
          throw new Fault('JSON_INVALID', `the document nests deeper than ${DEPTH_MAX} levels`)
        }
        break
      case '}':
      case ']':
        open.pop()
        keyExpected = false
        break
      case ',':
        keyExpected = open.at(-1) !== undefined
        break
      case '"': {
        const end = endOfString(text, at)
        if (keyExpected) addKey(open.at(-1), text.slice(at, end + 1))
        keyExpected = false
        at = end
        break
      }
      default:
        break
    }
  }
}

function endOfString(text: string, start: number): number {
  let at = start + 1
  while (text[at] !== '"') at += text[at] === '\\' ? 2 : 1
  return at
}

function addKey(keys: Set<string> | undefined, literal: string): void {
  // Parsed, because "\u0061" and "a" are one key.
  const key = JSON.parse(literal) as string
  if (keys?.has(key)) {
    throw new Fault('JSON_INVALID', 'the document has the same key twice in one object', {
      key: key.slice(0, 160),
    })
  }
  keys?.add(key)
}

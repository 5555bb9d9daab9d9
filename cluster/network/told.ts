import type { NodeId } from './network.ts'

/**
 * Before what is gossiped stands whom its author sends it to by itself, so that those who get it need not
 * hand it on to them: one byte with their number, and of each the last letters of its id.
 */
const LETTERS = 4
/** What one byte counts. A larger cluster's messages name nobody, and are handed on within the mesh. */
const TOLD_MAX = 255
/** Of what stands before a message, at most. */
export const TOLD_BYTES_MAX = 1 + TOLD_MAX * LETTERS
const encoder = new TextEncoder()
const decoder = new TextDecoder('latin1')

export interface Told {
  /** Whether the author sends it to that node. Two nodes may end alike: then one hears of it by catching up. */
  has(node: NodeId): boolean
}

export function withTold(nodes: readonly NodeId[], message: Uint8Array): Uint8Array {
  const named = nodes.length > TOLD_MAX ? [] : nodes
  const letters = encoder.encode(named.map((node) => node.slice(-LETTERS)).join(''))
  const bytes = new Uint8Array(1 + letters.length + message.length)
  bytes[0] = named.length
  bytes.set(letters, 1)
  bytes.set(message, 1 + letters.length)
  return bytes
}

function toldBytes(data: Uint8Array): number {
  return 1 + (data[0] ?? 0) * LETTERS
}

/** @returns undefined where it is no message of that form */
export function untold(data: Uint8Array): Uint8Array | undefined {
  return data.length < toldBytes(data) ? undefined : data.subarray(toldBytes(data))
}

export function readTold(data: Uint8Array): Told {
  const letters = decoder.decode(data.subarray(1, toldBytes(data)))
  const ends = new Set(
    Array.from({ length: letters.length / LETTERS }, (_, n) => letters.slice(n * LETTERS, (n + 1) * LETTERS)),
  )
  return { has: (node) => ends.has(node.slice(-LETTERS)) }
}

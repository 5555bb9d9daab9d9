import type { ByteRange } from '../../registry/blob-store.ts'

/**
 * The part of a blob a Range header asks for (RFC 9110 section 14, one range only).
 * @returns undefined where the header is to be ignored: another unit, several ranges, no such syntax;
 *   `unsatisfiable` where it can only be answered 416
 */
export function parseRange(
  header: string | undefined,
  size: number,
): ByteRange | 'unsatisfiable' | undefined {
  const match = /^bytes=(\d{0,16})-(\d{0,16})$/i.exec(header?.trim() ?? '')
  if (!match) return undefined
  const [, from = '', to = ''] = match
  if (from === '' && to === '') return undefined
  if (from === '') {
    const length = Math.min(Number(to), size)
    return length > 0 ? { first: size - length, last: size - 1 } : 'unsatisfiable'
  }
  const first = Number(from)
  const last = to === '' ? size - 1 : Math.min(Number(to), size - 1)
  // 500-0 is no range at all by the RFC, and 416 by the conformance suite.
  return first <= last ? { first, last } : 'unsatisfiable'
}

/** Where a chunk of an upload belongs: `Content-Range: <first>-<last>`, both included; undefined if malformed. */
export function parseContentRange(header: string): ByteRange | undefined {
  const match = /^(?:bytes[ =])?(\d{1,16})-(\d{1,16})(?:\/(?:\d+|\*))?$/i.exec(header.trim())
  if (!match) return undefined
  const range = { first: Number(match[1]), last: Number(match[2]) }
  return range.first <= range.last && Number.isSafeInteger(range.last) ? range : undefined
}

/** How far an upload stands, in the header's own way of counting: an empty one is `0-0` as well. */
export function receivedRange(offset: number): string {
  return `0-${Math.max(0, offset - 1)}`
}

import { Fault } from '../../errors.ts'

/**
 * The same bytes, as long as they are as many as was announced.
 * @throws Fault SIZE_INVALID with the first byte too many, or at the end of too few
 */
export async function* ofLength(bytes: AsyncIterable<Uint8Array>, length: number): AsyncIterable<Uint8Array> {
  let received = 0
  for await (const chunk of bytes) {
    received += chunk.length
    if (received > length) throw new Fault('SIZE_INVALID', 'more bytes came than were announced', { length })
    yield chunk
  }
  if (received === length) return
  throw new Fault('SIZE_INVALID', 'fewer bytes came than were announced', { length, received })
}

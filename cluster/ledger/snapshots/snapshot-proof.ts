import { isDeepStrictEqual } from 'node:util'
import { isFault } from '../../../src/errors.ts'
import type { SnapshotRow } from '../../../src/journal/rows.ts'
import type { BlockFormat } from '../block-format.ts'
import { ImageSum } from './row-chunk.ts'
import { SnapshotReader } from './snapshot-form.ts'
import type { SnapshotShelf } from './snapshot-shelf.ts'

/**
 * Whether the blob that is here holds the position its op names, row by row. Whoever vouches asks it first: a true
 * hash over a blob of something else would be taken by nobody, and log be let go of for it all the same.
 */
export async function holdsWhatItSays(
  snapshot: SnapshotRow,
  parts: {
    readonly cluster: string
    readonly shelf: Pick<SnapshotShelf, 'read'>
    readonly format: Pick<BlockFormat, 'read'>
    readonly signal: AbortSignal
  },
): Promise<boolean> {
  const { shelf, signal, cluster, format } = parts
  try {
    return await shelf.read(snapshot.digest, snapshot.bytes, signal, async (stream, whole) => {
      await whole
      return isPosition(snapshot, await SnapshotReader.open(stream()), cluster, format)
    })
  } catch (error) {
    if (isFault(error) && /^(SNAPSHOT_INVALID$|BLOCK_|ENTRY_|AUTHOR_)/.test(error.code)) return false
    throw error
  }
}

async function isPosition(
  snapshot: SnapshotRow,
  reader: SnapshotReader,
  cluster: string,
  format: Pick<BlockFormat, 'read'>,
): Promise<boolean> {
  const { header, feeds } = reader
  const sum = new ImageSum()
  for await (const rows of reader.rows()) for (const row of rows) sum.add(row)
  for (const { feed, seq, depth, hash, block: bytes } of feeds) {
    const block = await format.read(bytes, cluster)
    await block.verify()
    const { entry } = block
    if (block.feed !== feed || entry.seq !== seq || entry.depth !== depth || block.hash !== hash) return false
  }
  const { lane, frontier, authority, stateHash } = snapshot
  const held = [header.lane, header.frontier, header.authority, header.stateHash, header.cluster]
  return (
    isDeepStrictEqual(held, [lane, frontier, authority, stateHash, cluster]) && sum.hex === header.rowsHash
  )
}

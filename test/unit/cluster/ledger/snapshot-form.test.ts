import { zstdCompressSync } from 'node:zlib'
import { decode, encode } from 'cborg'
import { expect, test } from 'vitest'
import { frame, frames } from '../../../../cluster/ledger/snapshots/frames.ts'
import type { LanePosition } from '../../../../cluster/ledger/snapshots/lane-position.ts'
import { encodeRow, ImageSum } from '../../../../cluster/ledger/snapshots/row-chunk.ts'
import { SnapshotReader, writeSnapshot } from '../../../../cluster/ledger/snapshots/snapshot-form.ts'
import { type RawRow, RowsSum } from '../../../../src/journal/lane-rows.ts'
import { CATALOG } from '../../../../src/journal/op.ts'

const CLUSTER = 'c'.repeat(64)
const KiB = 1024
const feed = `${CATALOG}@${'n'.repeat(52)}`
const position: LanePosition = {
  lane: CATALOG,
  points: [{ feed, seq: 3, depth: 9, seen: { [feed]: 2 }, hash: `z${'a'.repeat(48)}` }],
  authority: {},
  rowsHash: 'a'.repeat(64),
}
const block = () => new Uint8Array(100)

async function* rows(count: number, bytes = 200): AsyncGenerator<RawRow> {
  for (let n = 0; n < count; n++) {
    yield {
      table: 'tags',
      key: `p/app\u0000t${String(n).padStart(7, '0')}`,
      bytes: new Uint8Array(bytes).fill(n),
    }
  }
}

async function whole(stream: AsyncIterable<Uint8Array>): Promise<Buffer> {
  const chunks: Uint8Array[] = []
  for await (const chunk of stream) chunks.push(chunk)
  return Buffer.concat(chunks)
}

async function* once(bytes: Uint8Array): AsyncGenerator<Uint8Array> {
  yield bytes
}

async function count(bytes: Uint8Array): Promise<number> {
  const reader = await SnapshotReader.open(once(bytes))
  let rows = 0
  for await (const chunk of reader.rows()) rows += chunk.length
  return rows
}

test('a lane of any size is written and read in pieces of bounded size', async () => {
  let largest = 0
  let total = 0
  async function* measured() {
    for await (const piece of writeSnapshot(CLUSTER, position, block, rows(50_000))) {
      largest = Math.max(largest, piece.length)
      total += piece.length
      yield piece
    }
  }
  const reader = await SnapshotReader.open(measured())
  let most = 0
  let seen = 0
  for await (const chunk of reader.rows()) {
    most = Math.max(most, chunk.length)
    seen += chunk.length
  }
  expect(seen).toBe(50_000)
  expect(total).toBeGreaterThan(10_000 * KiB)
  expect(largest).toBeLessThan(280 * KiB)
  expect(most).toBeLessThan(1_400)
})

test('it does not matter how the bytes were cut on their way', async () => {
  const bytes = await whole(writeSnapshot(CLUSTER, position, block, rows(500)))
  async function* cut() {
    for (let at = 0; at < bytes.length; at += 777) yield bytes.subarray(at, at + 777)
  }
  const reader = await SnapshotReader.open(cut())
  expect(reader.feeds).toEqual([{ ...position.points[0], block: block() }])
  let seen = 0
  for await (const chunk of reader.rows()) seen += chunk.length
  expect(seen).toBe(500)
})

test('a snapshot that ends early, goes on behind its end, or lies about its length is refused', async () => {
  const bytes = await whole(writeSnapshot(CLUSTER, position, block, rows(500)))
  expect(await count(bytes)).toBe(500)
  const end = 4 + encode({ rows: 500 }).length
  const invalid = { code: 'SNAPSHOT_INVALID' }
  await expect(count(bytes.subarray(0, -1))).rejects.toMatchObject(invalid)
  await expect(count(bytes.subarray(0, -end))).rejects.toMatchObject(invalid)
  await expect(count(Buffer.concat([bytes, frame(encode({ rows: 0 }))]))).rejects.toMatchObject(invalid)
  await expect(
    count(Buffer.concat([bytes.subarray(0, -end), frame(encode({ rows: 499 }))])),
  ).rejects.toMatchObject(invalid)
  const huge = Buffer.from([0xff, 0xff, 0xff, 0xff, 0])
  await expect(whole(frames(once(huge)))).rejects.toMatchObject(invalid)
})

test('rows out of order, twice, of another lane or past the bounds are refused', async () => {
  const row = (table: string, key: string, bytes = new Uint8Array(3)) =>
    ({ table, key, bytes }) as unknown as RawRow
  async function* list(...given: readonly RawRow[]) {
    yield* given
  }
  const read = async (...given: readonly RawRow[]) =>
    count(await whole(writeSnapshot(CLUSTER, position, block, list(...given))))
  expect(await read(row('links', 'a'), row('tags', 'a'), row('tags', 'b'))).toBe(3)
  const invalid = { code: 'SNAPSHOT_INVALID' }
  await expect(read(row('tags', 'b'), row('tags', 'a'))).rejects.toMatchObject(invalid)
  await expect(read(row('tags', 'a'), row('tags', 'a'))).rejects.toMatchObject(invalid)
  await expect(read(row('users', 'a'))).rejects.toMatchObject(invalid)
  await expect(read(row('history', 'a'))).rejects.toMatchObject(invalid)
  await expect(read(row('__proto__', 'a'))).rejects.toMatchObject(invalid)
  await expect(read(row('tags', 'k'.repeat(5 * KiB)))).rejects.toMatchObject(invalid)
  await expect(read(row('tags', 'a', new Uint8Array(4097 * KiB)))).rejects.toMatchObject(invalid)
})

test('feeds that do not give the hash the header states are refused', async () => {
  const bytes = await whole(writeSnapshot(CLUSTER, position, block, rows(1)))
  const other = { ...position, points: [{ ...(position.points[0] as LanePosition['points'][0]), depth: 8 }] }
  const swapped = await whole(writeSnapshot(CLUSTER, other, block, rows(1)))
  const header = 4 + bytes.readUInt32BE(0)
  await expect(
    count(Buffer.concat([bytes.subarray(0, header), swapped.subarray(header)])),
  ).rejects.toMatchObject({ code: 'SNAPSHOT_INVALID' })
})

test('a frame that unpacks to more than the length it came in allows is refused before it is unpacked', async () => {
  const bytes = await whole(writeSnapshot(CLUSTER, position, block, rows(1)))
  const head = 4 + bytes.readUInt32BE(0)
  const feeds = head + 4 + bytes.readUInt32BE(head)
  const bomb = zstdCompressSync(new Uint8Array(7 * KiB * KiB))
  expect(bomb.length).toBeLessThan(KiB)
  const packed = frame(Buffer.concat([Uint8Array.of(1), bomb]))
  const read = count(Buffer.concat([bytes.subarray(0, feeds), packed]))
  await expect(read).rejects.toMatchObject({
    code: 'SNAPSHOT_INVALID',
    cause: { code: 'ERR_BUFFER_TOO_LARGE' },
  })
  // Rows that shrink further than that are written as they are.
  async function* zeros() {
    for await (const row of rows(3)) yield { ...row, bytes: new Uint8Array(2 * KiB * KiB) }
  }
  expect(await count(await whole(writeSnapshot(CLUSTER, position, block, zeros())))).toBe(3)
})

test('a snapshot of the first form, or of one to come, is refused as such', async () => {
  const bytes = await whole(writeSnapshot(CLUSTER, position, block, rows(1)))
  const end = 4 + bytes.readUInt32BE(0)
  for (const format of [1, 3]) {
    const header = frame(encode({ ...decode(bytes.subarray(4, end)), format }))
    const read = count(Buffer.concat([header, bytes.subarray(end)]))
    await expect(read).rejects.toMatchObject({ code: 'SNAPSHOT_INVALID' })
  }
})

test('keys that are no text, and rows cut off in their frame, are refused', async () => {
  const bytes = await whole(writeSnapshot(CLUSTER, position, block, rows(1)))
  const head = 4 + bytes.readUInt32BE(0)
  const feeds = head + 4 + bytes.readUInt32BE(head)
  const good = encodeRow({ table: 'tags', key: 'p/aa', bytes: new Uint8Array(3) })
  const lame = Uint8Array.from(good)
  lame[8 + 'tags\np'.length] = 0xff
  for (const rows of [lame, good.subarray(0, -1), Buffer.concat([good, Uint8Array.of(0)])]) {
    const packed = frame(Buffer.concat([Uint8Array.of(0), rows]))
    const read = count(Buffer.concat([bytes.subarray(0, feeds), packed]))
    await expect(read).rejects.toMatchObject({ code: 'SNAPSHOT_INVALID' })
  }
})

test('the sum over rows as they lie in a snapshot is the one the tables keep', async () => {
  const [there, here] = [new ImageSum(), new RowsSum()]
  const reader = await SnapshotReader.open(writeSnapshot(CLUSTER, position, block, rows(2_000)))
  for await (const chunk of reader.rows()) {
    for (const row of chunk) {
      there.add(row)
      here.add(row)
    }
  }
  expect(there.hex).toBe(here.hex)
})

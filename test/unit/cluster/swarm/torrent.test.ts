import { createHash, randomBytes } from 'node:crypto'
import bencode from 'bencode'
import { describe, expect, it, onTestFinished } from 'vitest'
import {
  hashPieces,
  isPiece,
  metainfoOf,
  pieceCountOf,
  pieceLengthOf,
  torrentOf,
} from '../../../../cluster/swarm/torrent.ts'
import { parseDigest } from '../../../../src/oci/digest.ts'
import type { OpenBlob } from '../../../../src/registry/blob-store.ts'
import { openTemporaryDisk } from '../../../support/disk.ts'

const KiB = 1024
const MiB = 1024 * KiB
const GiB = 1024 * MiB
const DIGEST = parseDigest(`sha256:${'ab'.repeat(32)}`)

async function blobOf(bytes: Uint8Array): Promise<OpenBlob> {
  const disk = await openTemporaryDisk()
  onTestFinished(() => disk.close())
  const digest = parseDigest(`sha256:${createHash('sha256').update(bytes).digest('hex')}`)
  const staged = await disk.blobs.stage()
  await staged.write(bytes, 0)
  await staged.commit(digest)
  const blob = await disk.blobs.open(digest)
  onTestFinished(() => blob!.close())
  return blob!
}

describe('the torrent of a blob', () => {
  it.each([
    [256 * KiB, 256 * KiB],
    [64 * MiB, 256 * KiB],
    [512 * MiB, 256 * KiB],
    [512 * MiB + 1, 512 * KiB],
    [GiB, 512 * KiB],
    [10 * GiB, 8 * MiB],
    [1024 * GiB, 8 * MiB],
  ])('of %i bytes has pieces of %i bytes', (size, length) => {
    expect(pieceLengthOf(size)).toBe(length)
  })

  it('is the info dictionary that any BitTorrent client reads, and nothing else', () => {
    const size = 600 * KiB
    const pieces = randomBytes(60)
    const torrent = torrentOf(DIGEST, size, pieces)
    const decoded = bencode.decode(metainfoOf(torrent)) as Record<string, Record<string, unknown>>
    expect(Object.keys(decoded)).toEqual(['info'])
    const info = decoded['info']!
    expect(Object.keys(info)).toEqual(['length', 'name', 'piece length', 'pieces', 'private'])
    expect(info['length']).toBe(size)
    expect(Buffer.from(info['name'] as Uint8Array).toString()).toBe('ab'.repeat(32))
    expect(info['piece length']).toBe(256 * KiB)
    expect(Buffer.from(info['pieces'] as Uint8Array).equals(pieces)).toBe(true)
    expect(info['private']).toBe(1)
    expect(torrent.infoHash).toBe(createHash('sha1').update(bencode.encode(info)).digest('hex'))
  })

  it('is the same for everybody who has the same bytes, and another for other bytes', () => {
    const pieces = randomBytes(20)
    const one = torrentOf(DIGEST, 1000, pieces).infoHash
    expect(torrentOf(DIGEST, 1000, Buffer.from(pieces)).infoHash).toBe(one)
    expect(torrentOf(DIGEST, 1001, pieces).infoHash).not.toBe(one)
    expect(torrentOf(DIGEST, 1000, randomBytes(20)).infoHash).not.toBe(one)
  })

  it.each([
    [1000, 0],
    [1000, 19],
    [1000, 40],
    [0, 0],
    [-1, 0],
    [1.5, 20],
    [Number.NaN, 20],
    [2 ** 53, 20],
  ])('refuses %d bytes with %i bytes of hashes', (size, bytes) => {
    expect(() => torrentOf(DIGEST, size, Buffer.alloc(bytes))).toThrow(
      expect.objectContaining({ code: 'TORRENT_INVALID' }),
    )
  })

  it('is hashed piece by piece, the last one short', async () => {
    const bytes = randomBytes(2 * 256 * KiB + 77)
    const pieces = await hashPieces(await blobOf(bytes), new AbortController().signal)
    const expected = [0, 1, 2].map((piece) =>
      createHash('sha1')
        .update(bytes.subarray(piece * 256 * KiB, (piece + 1) * 256 * KiB))
        .digest(),
    )
    expect(Buffer.concat(expected).equals(pieces)).toBe(true)
    const torrent = torrentOf(DIGEST, bytes.length, pieces)
    expect(torrent.pieceCount).toBe(pieceCountOf(bytes.length))
    expect(isPiece(torrent, 2, bytes.subarray(2 * 256 * KiB))).toBe(true)
    expect(isPiece(torrent, 1, bytes.subarray(0, 256 * KiB))).toBe(false)
  })

  it('stops being hashed when nobody wants it any more', async () => {
    const blob = await blobOf(randomBytes(MiB))
    await expect(hashPieces(blob, AbortSignal.abort(new Error('enough')))).rejects.toThrow('enough')
  })
})

import { createHash, randomBytes } from 'node:crypto'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Digest } from '../../../../src/oci/digest.ts'
import type { PieceSink } from '../../../../src/registry/piece-sink.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { digestOf } from '../../../contract/blob-store.ts'
import { openDisk, temporaryDirectory } from '../../../support/disk.ts'

const KiB = 1024
const MiB = 1024 * KiB
const owner = { principal: 'p', repository: 'r' }

/** Wants pieces of 100 KiB, of 200 KiB past 2 MiB, of 400 KiB past 5 MiB, and none of what is tiny. */
function rule(size: number): number | undefined {
  if (size < 10) return undefined
  return size <= 2 * MiB ? 100 * KiB : size <= 5 * MiB ? 200 * KiB : 400 * KiB
}

function expected(bytes: Buffer): Buffer {
  const length = rule(bytes.length) as number
  const hashes: Buffer[] = []
  for (let at = 0; at < bytes.length; at += length) {
    hashes.push(
      createHash('sha1')
        .update(bytes.subarray(at, at + length))
        .digest(),
    )
  }
  return Buffer.concat(hashes)
}

async function stand() {
  const directory = await temporaryDirectory()
  const kept: { digest: Digest; size: number; hashes: Buffer; isHere: boolean }[] = []
  const sink: PieceSink = {
    pieceLengthOf: rule,
    keep: async (digest, size, hashes) => {
      const isHere = (await first.blobs.stat(digest)) !== undefined
      kept.push({ digest, size, hashes: Buffer.from(hashes), isHere })
    },
  }
  const opened: { close(): Promise<void> }[] = []
  const open = async () => {
    const disk = await openDisk(directory.path, systemClock, sink)
    opened.push(disk)
    return disk
  }
  const first = await open()
  onTestFinished(async () => {
    for (const disk of opened) await disk.close()
    await directory.remove()
  })
  return { ...first, kept, open }
}

async function* arriving(bytes: Buffer): AsyncIterable<Uint8Array> {
  for (let at = 0; at < bytes.length; at += 64 * KiB) yield bytes.subarray(at, at + 64 * KiB)
}

describe('what is pushed has its pieces hashed on the way in', () => {
  it.each([10, 100 * KiB, 700_001, 2 * MiB, 2 * MiB + 1, 5 * MiB, 9 * MiB + 5])('%i bytes', async (size) => {
    const { uploads, kept } = await stand()
    const bytes = randomBytes(size)
    const { id } = await uploads.create(owner)
    await uploads.append(id, 0, arriving(bytes))
    await uploads.commit(id, digestOf(bytes))
    expect(kept).toEqual([{ digest: digestOf(bytes), size, hashes: expected(bytes), isHere: false }])
  })

  it('in as many requests as the client likes, one of them taken back', async () => {
    const { uploads, kept } = await stand()
    const bytes = randomBytes(7 * MiB)
    const { id } = await uploads.create(owner)
    await uploads.append(id, 0, arriving(bytes.subarray(0, 3 * MiB)))
    const short = uploads.append(id, 3 * MiB, arriving(randomBytes(2 * MiB)), undefined, 4 * MiB)
    await expect(short).rejects.toMatchObject({ code: 'SIZE_INVALID' })
    await uploads.append(id, 3 * MiB, arriving(bytes.subarray(3 * MiB)))
    await uploads.commit(id, digestOf(bytes))
    expect(kept.map(({ hashes }) => hashes)).toEqual([expected(bytes)])
  })

  it('across a restart of the node', async () => {
    const { uploads, kept, open } = await stand()
    const bytes = randomBytes(6 * MiB)
    const { id } = await uploads.create(owner)
    await uploads.append(id, 0, arriving(bytes.subarray(0, 4 * MiB)))
    const { uploads: later } = await open()
    await later.append(id, 4 * MiB, arriving(bytes.subarray(4 * MiB)))
    await later.commit(id, digestOf(bytes))
    expect(kept.map(({ hashes }) => hashes)).toEqual([expected(bytes)])
  })

  it('also when the digest is of another algorithm than was expected', async () => {
    const { uploads, kept } = await stand()
    const bytes = randomBytes(3 * MiB)
    const { id } = await uploads.create(owner, 'sha256')
    await uploads.append(id, 0, arriving(bytes))
    await uploads.commit(id, digestOf(bytes, 'sha512'))
    expect(kept.map(({ hashes }) => hashes)).toEqual([expected(bytes)])
  })

  it('but nothing is kept of bytes that do not give the digest, nor where no pieces are wanted', async () => {
    const { uploads, kept } = await stand()
    const wrong = await uploads.create(owner)
    await uploads.append(wrong.id, 0, arriving(randomBytes(3 * MiB)))
    const failing = uploads.commit(wrong.id, digestOf(randomBytes(10)))
    await expect(failing).rejects.toMatchObject({ code: 'DIGEST_INVALID' })
    const tiny = await uploads.create(owner)
    await uploads.append(tiny.id, 0, arriving(Buffer.from('tiny')))
    await uploads.commit(tiny.id, digestOf(Buffer.from('tiny')))
    expect(kept).toEqual([])
  })
})

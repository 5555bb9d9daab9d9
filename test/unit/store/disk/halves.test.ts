import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import type { Digest } from '../../../../src/oci/digest.ts'
import type { StagedBlob } from '../../../../src/registry/blob-store.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { digestOf } from '../../../contract/blob-store.ts'
import { openDisk, temporaryDirectory } from '../../../support/disk.ts'

const DAY_MS = 24 * 60 * 60 * 1000

async function stand() {
  const directory = await temporaryDirectory()
  const opened: { close(): Promise<void> }[] = []
  let ahead = 0
  const clock = { now: () => systemClock.now() + ahead, monotonic: () => systemClock.monotonic() }
  const open = async () => {
    const disk = await openDisk(directory.path, clock)
    opened.push(disk)
    return disk
  }
  onTestFinished(async () => {
    for (const disk of opened) await disk.close()
    await directory.remove()
  })
  const pieces = () => readdir(join(directory.path, 'staging', 'pieces'))
  return { ...(await open()), open, pieces, pass: (ms: number) => (ahead += ms) }
}

async function begun(staged: StagedBlob, text: string, note: string): Promise<StagedBlob> {
  await staged.write(Buffer.from(text), 0)
  await staged.keeping?.checkpoint(Buffer.from(note))
  return staged
}

async function read(staged: StagedBlob): Promise<{ note: string | undefined; bytes: string }> {
  const into = Buffer.alloc(100)
  const length = await staged.read(into, 0)
  const { note } = staged.keeping ?? {}
  return { note: note && Buffer.from(note).toString(), bytes: into.toString('utf8', 0, length) }
}

const digest: Digest = digestOf(Buffer.from('the whole'))

describe('a blob that was left half-way', () => {
  it('is gone on with by the next who wants it, and becomes a blob', async () => {
    const { blobs, pieces } = await stand()
    const first = await begun(await blobs.stage(digest), 'the ', 'four')
    await first.keeping?.leave()
    await first.discard()
    const second = await blobs.stage(digest)
    expect(await read(second)).toEqual({ note: 'four', bytes: 'the ' })
    await second.write(Buffer.from('whole'), 4)
    expect(await second.commit(digest)).toEqual({ size: 9 })
    expect(await blobs.stat(digest)).toEqual({ size: 9 })
    expect(await pieces()).toEqual([])
  })

  it('is there after a restart, also one that nobody had time to leave', async () => {
    const { blobs, open } = await stand()
    const killed = await begun(await blobs.stage(digest), 'the wh', 'six')
    const { blobs: later } = await open()
    const found = await later.stage(digest)
    expect(await read(found)).toEqual({ note: 'six', bytes: 'the wh' })
    await found.discard()
    const fresh = await later.stage(digest)
    expect((await read(fresh)).note).toBeUndefined()
    await fresh.discard()
    await killed.discard()
  })

  it('is in one hand at a time: who comes meanwhile begins at nothing', async () => {
    const { blobs } = await stand()
    await (await begun(await blobs.stage(digest), 'the ', 'four')).keeping?.leave()
    const [one, two] = [await blobs.stage(digest), await blobs.stage(digest)]
    expect((await read(one)).note).toBe('four')
    expect(await read(two)).toEqual({ note: undefined, bytes: '' })
    await one.discard()
    await two.discard()
  })

  it('is not there after a restart without a note, nor where no digest was said', async () => {
    const { blobs, open, pieces } = await stand()
    const noteless = await blobs.stage(digest)
    await noteless.write(Buffer.from('x'), 0)
    const nameless = await blobs.stage()
    await nameless.write(Buffer.from('x'), 0)
    expect(nameless.keeping).toBeUndefined()
    expect(await pieces()).toHaveLength(2)
    await open()
    expect(await pieces()).toEqual([])
    await Promise.all([noteless.discard(), nameless.discard()])
  })

  it('is thrown away when it does not give the digest', async () => {
    const { blobs, pieces } = await stand()
    const staged = await begun(await blobs.stage(digest), 'the hole', 'eight')
    await expect(staged.commit(digest)).rejects.toMatchObject({ code: 'DIGEST_INVALID' })
    await staged.keeping?.leave()
    expect(await pieces()).toEqual([])
  })

  it('can still be left when its commit was called off', async () => {
    const { blobs } = await stand()
    const staged = await begun(await blobs.stage(digest), 'the whole', 'nine')
    const off = AbortSignal.abort(new Error('the node stops'))
    await expect(staged.commit(digest, off)).rejects.toThrow('the node stops')
    await staged.keeping?.leave()
    const found = await blobs.stage(digest)
    expect(await read(found)).toEqual({ note: 'nine', bytes: 'the whole' })
    await found.discard()
  })

  it('goes when the blob comes another way', async () => {
    const { blobs, uploads, pieces } = await stand()
    await (await begun(await blobs.stage(digest), 'the ', 'four')).keeping?.leave()
    const { id } = await uploads.create({ principal: 'p', repository: 'r' })
    await uploads.append(
      id,
      0,
      (async function* () {
        yield Buffer.from('the whole')
      })(),
    )
    await uploads.commit(id, digest)
    expect(await pieces()).toEqual([])
  })

  it('is one of sixty-four at most, the latest', async () => {
    const { blobs, pieces } = await stand()
    const digests = Array.from({ length: 66 }, () => digestOf(randomBytes(8)))
    for (const one of digests) await (await begun(await blobs.stage(one), 'x', 'one')).keeping?.leave()
    const left = await pieces()
    expect(left).toHaveLength(64)
    expect(left).toContain(digests[65]!.replace(':', '-'))
    expect(left).not.toContain(digests[0]!.replace(':', '-'))
  })

  it('is given up when nobody has come for it in two days', async () => {
    const { blobs, open, pieces, pass } = await stand()
    await (await begun(await blobs.stage(digest), 'the ', 'four')).keeping?.leave()
    pass(DAY_MS)
    await open()
    expect(await pieces()).toHaveLength(1)
    pass(DAY_MS + 1000)
    await open()
    expect(await pieces()).toEqual([])
  })
})

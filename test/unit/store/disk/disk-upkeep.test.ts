import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { digestOf } from '../../../contract/blob-store.ts'
import { openDisk, temporaryDirectory } from '../../../support/disk.ts'

const DAY_MS = 24 * 60 * 60 * 1000
const owner = { principal: 'alice', repository: 'team/app' }
let root: string
let remove: () => Promise<void>

beforeEach(async () => {
  const directory = await temporaryDirectory()
  root = directory.path
  remove = () => directory.remove()
})
afterEach(() => remove())

describe('the disk store at start', () => {
  it('removes from staging what is no upload, and keeps what is', async () => {
    const before = await openDisk(root)
    const { id } = await before.uploads.create(owner)
    await before.close()
    const { uploads, pieces } = before.layout
    await writeFile(join(uploads, 'bytes-alone.bytes'), 'x')
    await writeFile(join(uploads, 'facts-alone.json'), '{}')
    await writeFile(join(uploads, 'torn.json'), '{"owner":{"princ')
    await writeFile(join(uploads, 'torn.bytes'), 'x')
    await writeFile(join(uploads, 'what.is.this'), 'x')
    await mkdir(join(uploads, 'a-directory'))
    await writeFile(join(pieces, 'half'), 'x')

    const after = await openDisk(root)
    expect((await readdir(uploads)).sort()).toEqual([`${id}.bytes`, `${id}.json`].sort())
    expect(await readdir(pieces)).toEqual([])
    expect(await after.uploads.find(id)).toMatchObject({ id, owner })
    await after.close()
  })

  it('lists only files that are named by a digest', async () => {
    const disk = await openDisk(root)
    const staged = await disk.blobs.stage()
    await staged.write(Buffer.from('blob'), 0)
    await staged.commit(digestOf(Buffer.from('blob')))
    await writeFile(join(disk.layout.content, 'sha256', 'lost+found'), '').catch(() => {})
    const directory = disk.layout.directoryOf(digestOf(Buffer.from('blob')))
    await writeFile(join(directory, 'notes.txt'), 'an operator was here')
    const listed = []
    for await (const one of disk.blobs.list()) listed.push(one)
    expect(listed).toEqual([{ digest: digestOf(Buffer.from('blob')), size: 4 }])
    await disk.close()
  })
})

describe('an upload nobody touches', () => {
  it('is given up after a week, at the next upload or the next start', async () => {
    let now = systemClock.now()
    let monotonic = 0
    const clock = { now: () => now, monotonic: () => monotonic }
    const pass = (days: number) => {
      now += days * DAY_MS
      monotonic += days * DAY_MS
    }
    const disk = await openDisk(root, clock)
    const idle = await disk.uploads.create(owner)
    pass(4)
    const fresh = await disk.uploads.create(owner)
    expect(await disk.uploads.find(idle.id)).toBeDefined()
    pass(4)
    await disk.uploads.create(owner)
    expect(await disk.uploads.find(idle.id)).toBeUndefined()
    expect(await disk.uploads.find(fresh.id)).toBeDefined()
    await disk.close()

    pass(8)
    const restarted = await openDisk(root, clock)
    expect(await readdir(restarted.layout.uploads)).toEqual([])
    await restarted.close()
  })
})

describe('one principal', () => {
  it('may have a thousand uploads open, and then has to finish some; others go on', async () => {
    const disk = await openDisk(root)
    const ids: string[] = []
    for (let at = 0; at < 1000; at++) ids.push((await disk.uploads.create(owner)).id)
    await expect(disk.uploads.create(owner)).rejects.toMatchObject({ code: 'UPLOADS_TOO_MANY' })
    await disk.uploads.create({ ...owner, principal: 'bob' })
    await disk.uploads.cancel(ids[0] ?? '')
    await disk.uploads.create(owner)
    await disk.close()
  })
})

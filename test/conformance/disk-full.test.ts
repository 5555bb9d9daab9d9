import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { mkdir, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { temporaryDirectory } from '../support/disk.ts'
import { OciClient, sha256 } from '../support/oci-client.ts'
import { type ServerUnderTest, startRegistry } from '../support/registry.ts'

const MiB = 1024 * 1024

/** A volume of 16 MiB that really runs full; only root on Linux can have one. */
function mountSmallVolume(path: string): boolean {
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=16m', 'tmpfs', path], { stdio: 'ignore' })
    return true
  } catch {
    process.stderr.write('\nSKIPPED: no small volume can be mounted here, so a full disk is not tested\n\n')
    return false
  }
}

const directory = await temporaryDirectory()
const volume = join(directory.path, 'blobs')
await mkdir(volume)
const mounted = mountSmallVolume(volume)

afterAll(async () => {
  if (mounted) execFileSync('umount', [volume])
  await directory.remove()
})

describe.skipIf(!mounted)('a disk that runs full', () => {
  let server: ServerUnderTest
  let client: OciClient
  const kept = randomBytes(6 * MiB)

  beforeAll(async () => {
    server = await startRegistry({ root: directory.path })
    client = new OciClient(server.url, 'alice')
    expect((await client.pushBlob('team/full', kept)).status).toBe(201)
  })
  afterAll(async () => {
    client.close()
    await server.close()
  })

  it.each(['PUT', 'PATCH', 'POST'])('is said so to a %s, which leaves nothing behind', async (method) => {
    const bytes = randomBytes(12 * MiB)
    const location =
      method === 'POST' ? '/v2/team/full/blobs/uploads/' : await client.startUpload('team/full')
    const refused = await client.send(method, `${location}?digest=${sha256(bytes)}`, { body: bytes })
    expect(refused.status).toBe(507)
    expect(refused.errorCode()).toBe('STORAGE_FULL')
    expect(await readdir(server.disk.layout.uploads)).toEqual([])
  })

  it('goes on serving what it has, and takes what fits', async () => {
    const got = await client.send('GET', `/v2/team/full/blobs/${sha256(kept)}`)
    expect(got.body.equals(kept)).toBe(true)
    const small = randomBytes(4 * MiB)
    expect((await client.pushBlob('team/full', small)).status).toBe(201)
  })

  it('fails a blob that comes from another node in the same words', async () => {
    const staged = await server.disk.blobs.stage()
    const writing = (async () => {
      for (let at = 0; at < 16; at++) await staged.write(randomBytes(MiB), at * MiB)
    })()
    await expect(writing).rejects.toMatchObject({ code: 'STORAGE_FULL' })
    await staged.discard()
    expect(await readdir(server.disk.layout.pieces)).toEqual([])
  })
})

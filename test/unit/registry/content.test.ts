import { randomBytes } from 'node:crypto'
import { writeFile } from 'node:fs/promises'
import { afterEach, describe, expect, it } from 'vitest'
import { Fault } from '../../../src/errors.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import type { RepositoryName } from '../../../src/oci/name.ts'
import type { BlobSource, IncomingBlob } from '../../../src/registry/blob-source.ts'
import { durableAlone } from '../../../src/registry/durability.ts'
import { parseProjectRepository } from '../../../src/registry/place.ts'
import { createRegistry } from '../../../src/registry/registry.ts'
import { digestOf, gather } from '../../contract/blob-store.ts'
import { temporaryDirectory } from '../../support/disk.ts'
import { openRegistry, type RegistryUnderTest } from '../../support/registry.ts'

const closing: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0).toReversed()) await close()
})

/** Another node that holds some blobs: hands them over in pieces, and counts how often it was asked. */
class OtherNode implements BlobSource {
  readonly held = new Map<Digest, Uint8Array>()
  readonly asked: Digest[] = []
  readonly told: { digest: Digest; size: number }[] = []
  /** Ends every transfer after so many bytes. */
  breaksAfter = Number.POSITIVE_INFINITY

  async fetch(digest: Digest): Promise<IncomingBlob | undefined> {
    this.asked.push(digest)
    const bytes = this.held.get(digest)
    return bytes && incoming(bytes, this.breaksAfter)
  }

  announce(digest: Digest, size: number): void {
    this.told.push({ digest, size })
  }
}

function incoming(bytes: Uint8Array, breaksAfter: number): IncomingBlob {
  const failure = new Fault('BLOB_FETCH_FAILED', 'no holder is left')
  return {
    size: bytes.length,
    async *stream({ first, last } = { first: 0, last: bytes.length - 1 }) {
      for (let at = first; at <= last; at += 10_000) {
        if (at >= breaksAfter) throw failure
        yield bytes.subarray(at, Math.min(at + 10_000, last + 1))
      }
    },
    committed: breaksAfter < bytes.length ? Promise.reject(failure) : Promise.resolve(),
  }
}

async function registryBeside(other: OtherNode): Promise<RegistryUnderTest & { name: RepositoryName }> {
  const directory = await temporaryDirectory()
  const under = await openRegistry(directory.path, other)
  closing.push(
    () => directory.remove(),
    () => under.close(),
  )
  await under.project('team')
  return { ...under, name: parseProjectRepository('team/app') }
}

describe('a blob that another node holds', () => {
  it.each([1000, 500_000])('of %i bytes is streamed from there when it is asked for', async (size) => {
    const other = new OtherNode()
    const { registry, name } = await registryBeside(other)
    const bytes = randomBytes(size)
    const digest = digestOf(bytes)
    other.held.set(digest, bytes)
    await registry.blobs.link(name, digest, size, 'alice')
    const blob = await registry.blobs.open(name, digest)
    expect(blob.size).toBe(size)
    expect((await gather(blob.stream())).equals(bytes)).toBe(true)
    expect((await gather(blob.stream({ first: 10, last: 19 }))).equals(bytes.subarray(10, 20))).toBe(true)
    await blob.close()
  })

  it('is not asked for by who has no link to it, nor by asking for its size', async () => {
    const other = new OtherNode()
    const { registry, name } = await registryBeside(other)
    const bytes = randomBytes(1000)
    const digest = digestOf(bytes)
    other.held.set(digest, bytes)
    await expect(registry.blobs.open(name, digest)).rejects.toMatchObject({ code: 'BLOB_UNKNOWN' })
    await registry.blobs.link(name, digest, 1000, 'alice')
    expect(await registry.blobs.stat(name, digest)).toEqual({ size: 1000 })
    expect(other.asked).toEqual([])
  })

  it('that nobody can hand over now is unavailable, which is not the same as unknown', async () => {
    const other = new OtherNode()
    const { registry, name } = await registryBeside(other)
    const digest = digestOf(randomBytes(10))
    await registry.blobs.link(name, digest, 10, 'alice')
    await expect(registry.blobs.open(name, digest)).rejects.toMatchObject({ code: 'BLOB_UNAVAILABLE' })
  })

  it('whose transfer breaks fails its reader', async () => {
    const other = new OtherNode()
    const { registry, name } = await registryBeside(other)
    const bytes = randomBytes(100_000)
    other.held.set(digestOf(bytes), bytes)
    other.breaksAfter = 50_000
    await registry.blobs.link(name, digestOf(bytes), bytes.length, 'alice')
    const blob = await registry.blobs.open(name, digestOf(bytes))
    await expect(gather(blob.stream())).rejects.toMatchObject({ code: 'BLOB_FETCH_FAILED' })
  })
})

describe('a manifest that another node holds', () => {
  const text = JSON.stringify({
    schemaVersion: 2,
    mediaType: 'application/vnd.oci.image.index.v1+json',
    manifests: [],
  })
  const bytes = Buffer.from(text)
  const digest = digestOf(bytes)

  async function known(other: OtherNode) {
    const node = await registryBeside(other)
    await node.registry.manifests.put(node.name, { bytes, contentType: undefined, tags: [] }, 'alice')
    return node
  }

  it('is fetched, proven, and then read from memory', async () => {
    const other = new OtherNode()
    const first = await known(other)
    await first.disk.blobs.delete(digest)
    // The same records at a node that starts with an empty memory and no bytes.
    await first.journal.close()
    other.held.set(digest, bytes)
    const { journal, disk } = first
    const { blobs, uploads } = disk
    const durability = durableAlone(journal.tables)
    const second = createRegistry({ journal, blobs, uploads, source: other, durability })
    for (let turn = 0; turn < 3; turn++) {
      const got = await second.manifests.get(first.name, { digest })
      expect(Buffer.from(got.bytes).toString()).toBe(text)
    }
    expect(other.asked).toEqual([digest])
  })

  it('is told to the others once it is durable here', async () => {
    const other = new OtherNode()
    const { registry, name, disk } = await known(other)
    expect(other.told).toEqual([{ digest, size: bytes.length }])
    expect(await disk.blobs.stat(digest)).toEqual({ size: bytes.length })
    const owner = { principal: 'alice', repository: name }
    const { id } = await registry.uploads.start(owner)
    await registry.uploads.append(owner, id, { bytes: arriving(Buffer.from('layer')) })
    await registry.uploads.finish(owner, id, digestOf(Buffer.from('layer')))
    expect(other.told.at(-1)).toEqual({ digest: digestOf(Buffer.from('layer')), size: 5 })
  })
})

async function* arriving(bytes: Uint8Array): AsyncIterable<Uint8Array> {
  yield bytes
}

describe('a file that rotted on disk', () => {
  it('is not served as a manifest or small blob', async () => {
    const directory = await temporaryDirectory()
    closing.push(() => directory.remove())
    const before = await openRegistry(directory.path)
    await before.project('team')
    const name = parseProjectRepository('team/app')
    const bytes = Buffer.from(
      '{"schemaVersion":2,"mediaType":"application/vnd.oci.image.index.v1+json","manifests":[]}',
    )
    const digest = digestOf(bytes)
    await before.registry.manifests.put(name, { bytes, contentType: undefined, tags: [] }, 'alice')
    await before.registry.blobs.link(name, digest, bytes.length, 'alice')
    await before.close()
    await writeFile(before.disk.layout.blob(digest), Buffer.from(bytes.toString().replace('2', '3')))

    const after = await openRegistry(directory.path)
    closing.push(() => after.close())
    await expect(after.registry.manifests.get(name, { digest })).rejects.toMatchObject({
      code: 'BLOB_CORRUPT',
    })
    await expect(after.registry.blobs.open(name, digest)).rejects.toMatchObject({ code: 'BLOB_CORRUPT' })
  })
})

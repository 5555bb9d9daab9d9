import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { op } from '../../../src/journal/kinds.ts'
import { AUTHORITY } from '../../../src/journal/op.ts'
import { inRepository } from '../../../src/journal/rows.ts'
import { parseTag } from '../../../src/oci/reference.ts'
import { parseProjectRepository, placeOf } from '../../../src/registry/place.ts'
import { digestOf } from '../../contract/blob-store.ts'
import { temporaryDirectory } from '../../support/disk.ts'
import { openRegistry, type RegistryUnderTest } from '../../support/registry.ts'

const name = parseProjectRepository('team/app')
const index = (note: string) =>
  Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.index.v1+json',
      manifests: [],
      annotations: { note },
    }),
  )

let under: RegistryUnderTest
let projectId: string
let remove: () => Promise<void>

beforeEach(async () => {
  const directory = await temporaryDirectory()
  remove = () => directory.remove()
  under = await openRegistry(directory.path)
  projectId = await under.project('team')
})
afterEach(async () => {
  await under.close()
  await remove()
})

async function push(note: string, ...tags: string[]) {
  const bytes = index(note)
  await under.registry.manifests.put(
    name,
    { bytes, contentType: undefined, tags: tags.map(parseTag) },
    'alice',
  )
  return digestOf(bytes)
}

describe('deleting a manifest', () => {
  it('while pushes go on never leaves a tag that means nothing', async () => {
    const digest = await push('contested', 'start')
    for (let round = 0; round < 15; round++) {
      await Promise.allSettled([
        push('contested', `a-${round}`),
        under.registry.manifests.delete(name, digest, 'bob'),
        push('contested', `b-${round}`),
      ])
      const { items } = await under.registry.tags.list(name, {})
      for (const tag of items) {
        expect(await under.registry.manifests.stat(name, { tag: parseTag(tag) })).toMatchObject({ digest })
      }
    }
  })

  it('takes its referrers entry with it', async () => {
    const subject = digestOf(Buffer.from('subject'))
    const bytes = Buffer.from(
      JSON.stringify({
        ...(JSON.parse(index('referrer').toString()) as object),
        subject: { mediaType: 'application/vnd.oci.image.manifest.v1+json', digest: subject, size: 7 },
      }),
    )
    await under.registry.manifests.put(name, { bytes, contentType: undefined, tags: [] }, 'alice')
    expect((await under.registry.referrers.list(name, subject, {})).items).toHaveLength(1)
    await under.registry.manifests.delete(name, digestOf(bytes), 'alice')
    expect((await under.registry.referrers.list(name, subject, {})).items).toEqual([])
  })
})

describe('a project that is deleted', () => {
  it('takes its repositories out of reach, and its name may be used again by another', async () => {
    const digest = await push('old', 'v1')
    await under.registry.blobs.link(name, digest, 10, 'alice')
    await under.journal.commit(AUTHORITY, () => [op('project.deleted', { project: projectId }, 'node')])
    const unknown = expect.objectContaining({ code: 'NAME_UNKNOWN' })
    await expect(under.registry.manifests.get(name, { digest })).rejects.toEqual(unknown)
    await expect(under.registry.blobs.stat(name, digest)).rejects.toEqual(unknown)
    await expect(under.registry.tags.list(name, {})).rejects.toEqual(unknown)

    await under.project('team')
    await expect(under.registry.manifests.get(name, { digest })).rejects.toMatchObject({
      code: 'MANIFEST_UNKNOWN',
    })
    await expect(under.registry.blobs.stat(name, digest)).rejects.toMatchObject({ code: 'BLOB_UNKNOWN' })
    const mounted = await under.registry.blobs.mount(name, digest, { principal: 'eve', mayPull: () => true })
    expect(mounted).toBe(false)
  })
})

describe('a tag', () => {
  it('is moved only to a manifest that is there', async () => {
    const digest = await push('here', 'v1')
    await under.registry.tags.move(name, parseTag('v2'), digest, 'alice')
    expect(await under.registry.manifests.stat(name, { tag: parseTag('v2') })).toMatchObject({ digest })
    const absent = digestOf(Buffer.from('absent'))
    await expect(under.registry.tags.move(name, parseTag('v3'), absent, 'alice')).rejects.toMatchObject({
      code: 'MANIFEST_UNKNOWN',
    })
  })

  it('keeps what the record says in the tables, with who did it', async () => {
    const digest = await push('here', 'v1')
    const { tables } = under.journal
    const { key } = placeOf(tables, name)
    expect(tables.get('tags', inRepository(key, 'v1'))?.values).toMatchObject([
      { value: digest, actor: 'alice' },
    ])
    expect(tables.get('manifests', inRepository(key, digest))?.puts[0]?.value).toMatchObject({
      annotations: { note: 'here' },
      size: index('here').length,
    })
  })
})

describe('pushing a manifest while one of its blobs is deleted', () => {
  it('never makes a manifest after its blob has gone', async () => {
    const config = Buffer.from('{}')
    const digest = digestOf(config)
    const { key } = placeOf(under.journal.tables, name)
    const order: string[] = []
    under.journal.onChange((changes) => {
      for (const { table, row } of changes) {
        if (table === 'links' || table === 'manifests') order.push(`${table} ${row ? 'here' : 'gone'}`)
      }
    })
    for (let round = 0; round < 30; round++) {
      await under.registry.blobs.link(name, digest, config.length, 'alice')
      order.length = 0
      const bytes = Buffer.from(
        JSON.stringify({
          schemaVersion: 2,
          mediaType: 'application/vnd.oci.image.manifest.v1+json',
          config: { mediaType: 'application/vnd.oci.empty.v1+json', digest, size: 2 },
          layers: [],
          annotations: { round: String(round) },
        }),
      )
      const push = under.registry.manifests.put(name, { bytes, contentType: undefined, tags: [] }, 'alice')
      const [pushed] = await Promise.allSettled([push, under.registry.blobs.delete(name, digest, 'bob')])
      const made = under.journal.tables.get('manifests', inRepository(key, digestOf(bytes)))
      expect(made !== undefined).toBe(pushed.status === 'fulfilled')
      if (made) expect(order).toEqual(['manifests here', 'links gone'])
      else expect(pushed).toMatchObject({ reason: { code: 'MANIFEST_BLOB_UNKNOWN' } })
    }
  })
})

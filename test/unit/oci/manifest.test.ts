import { describe, expect, it } from 'vitest'
import { isFault } from '../../../src/errors.ts'
import { MANIFEST_BYTES_MAX } from '../../../src/limits.ts'
import { parseManifest } from '../../../src/oci/manifest.ts'
import { DOCKER_LIST, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST } from '../../../src/oci/media-types.ts'
import { needsOf } from '../../../src/oci/references.ts'

const digest = (letter: string) => `sha256:${letter.repeat(64)}`
const layer = (letter: string, mediaType = 'application/vnd.oci.image.layer.v1.tar+gzip') => ({
  mediaType,
  digest: digest(letter),
  size: 10,
})
const config = { mediaType: 'application/vnd.oci.image.config.v1+json', digest: digest('c'), size: 2 }
const image = { schemaVersion: 2, mediaType: OCI_MANIFEST, config, layers: [layer('1'), layer('2')] }
const index = {
  schemaVersion: 2,
  mediaType: OCI_INDEX,
  manifests: [{ mediaType: OCI_MANIFEST, digest: digest('a'), size: 5 }],
}

const parse = (document: unknown, contentType?: string) =>
  parseManifest(Buffer.from(typeof document === 'string' ? document : JSON.stringify(document)), contentType)
const refused = expect.objectContaining({ code: 'MANIFEST_INVALID' })

describe('a manifest', () => {
  it.each([
    [OCI_MANIFEST, image],
    [DOCKER_MANIFEST, { ...image, mediaType: DOCKER_MANIFEST }],
    [OCI_INDEX, index],
    [DOCKER_LIST, { ...index, mediaType: DOCKER_LIST }],
  ])('of type %s is read, with and without the header saying so', (mediaType, document) => {
    expect(parse(document, mediaType).mediaType).toBe(mediaType)
    expect(parse(document).mediaType).toBe(mediaType)
    expect(parse(document, `${mediaType}; charset=utf-8`).mediaType).toBe(mediaType)
  })

  it('without a type in the body is what the header says', () => {
    const { mediaType: _, ...untyped } = image
    expect(parse(untyped, OCI_MANIFEST).mediaType).toBe(OCI_MANIFEST)
    expect(() => parse(untyped)).toThrow(refused)
  })

  it('keeps its bytes, fields of others included', () => {
    const text = `{"x": [1,  2],${JSON.stringify(image).slice(1)}\n`
    expect(Buffer.from(parse(text, OCI_MANIFEST).bytes).toString()).toBe(text)
  })

  it('takes null for absent, as Go writes it', () => {
    expect(parse({ ...image, layers: null, annotations: null, subject: null }).layers).toEqual([])
    expect(parse({ ...index, manifests: null }).manifests).toEqual([])
  })

  it.each([
    ['a type that is not the header’s', { ...image, mediaType: DOCKER_MANIFEST }],
    ['an index in image clothes', { ...index, mediaType: OCI_MANIFEST }],
    ['manifests beside layers', { ...image, manifests: [] }],
    ['fsLayers of schema 1', { ...image, fsLayers: [] }],
    ['another schema version', { ...image, schemaVersion: 1 }],
    ['no config', { ...image, config: undefined }],
    ['no layers at all', { ...image, layers: undefined }],
    ['a layer with a bad digest', { ...image, layers: [{ ...layer('1'), digest: 'sha256:x' }] }],
    ['a negative size', { ...image, layers: [{ ...layer('1'), size: -1 }] }],
    ['a fractional size', { ...image, layers: [{ ...layer('1'), size: 1.5 }] }],
    ['a size past 2^53', { ...image, layers: [{ ...layer('1'), size: 2 ** 60 }] }],
    ['a layer type that is no media type', { ...image, layers: [layer('1', 'nonsense')] }],
    ['an annotation that is no string', { ...image, annotations: { a: 1 } }],
    ['inline data of another length', { ...image, config: { ...config, data: 'YWJj' } }],
    ['a key that differs in case', { ...image, Manifests: [] }],
    ['a key with the long s', { ...image, manife\u017Fts: [] }],
    ['a descriptor key that differs in case', { ...image, config: { ...config, Digest: digest('f') } }],
    ['an array', [image]],
    ['a string', '"x"'],
    ['the same key twice', `{"layers":[],${JSON.stringify(image).slice(1)}`],
    ['no JSON', 'hello'],
  ])('is refused for %s', (_, document) => {
    expect(() => parse(document, OCI_MANIFEST)).toThrow(refused)
  })

  it('of both forms is refused whatever the header says', () => {
    const both = { schemaVersion: 2, config, layers: [], manifests: [] }
    for (const type of [OCI_MANIFEST, OCI_INDEX, DOCKER_MANIFEST, DOCKER_LIST]) {
      expect(() => parse(both, type)).toThrow(refused)
    }
  })

  it('of a type nobody here knows is refused', () => {
    expect(() => parse({ ...image, mediaType: 'application/json' }, 'application/json')).toThrow(refused)
    expect(() => parse({ ...image, mediaType: 7 })).toThrow(refused)
  })

  it('over the size limit is refused as too large', () => {
    const fat = { ...image, annotations: { fat: 'x'.repeat(MANIFEST_BYTES_MAX) } }
    expect(() => parse(fat)).toThrow(expect.objectContaining({ code: 'MANIFEST_TOO_LARGE' }))
  })

  it('says where it went wrong', () => {
    expect(() => parse({ ...image, layers: [layer('1'), { ...layer('2'), size: -1 }] })).toThrow(
      expect.toSatisfy(
        (error) => isFault(error) && String(error.facts['problems']).includes('layers.1.size'),
      ),
    )
  })
})

describe('the artifact type a referrers list shows', () => {
  it('is the manifest’s own', () => {
    expect(parse({ ...image, artifactType: 'application/x' }).artifactType).toBe('application/x')
  })
  it('is an image’s config type where it has none, or an empty one', () => {
    expect(parse(image).artifactType).toBe(config.mediaType)
    expect(parse({ ...image, artifactType: '' }).artifactType).toBe(config.mediaType)
  })
  it('is left out of an index without one', () => {
    expect(parse(index).artifactType).toBeUndefined()
    expect(parse({ ...index, artifactType: 'application/y' }).artifactType).toBe('application/y')
  })
})

describe('what a manifest needs', () => {
  it('is its config and layers, each once', () => {
    const needs = needsOf(parse({ ...image, layers: [layer('1'), layer('1'), layer('2')] }))
    expect(needs).toEqual({ blobs: [digest('c'), digest('1'), digest('2')], manifests: [], either: [] })
  })

  it.each([
    'application/vnd.oci.image.layer.nondistributable.v1.tar',
    'application/vnd.oci.image.layer.nondistributable.v1.tar+gzip',
    'application/vnd.oci.image.layer.nondistributable.v1.tar+zstd',
    'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
  ])('leaves out layers of type %s', (type) => {
    expect(needsOf(parse({ ...image, layers: [layer('1', type)] })).blobs).toEqual([digest('c')])
  })

  it('does not take a look-alike for a non-distributable layer', () => {
    const type = 'application/vnd.oci.image.layer.nondistributable.v1.tarball'
    expect(needsOf(parse({ ...image, layers: [layer('1', type)] })).blobs).toHaveLength(2)
  })

  it('is an index’s children, and never the subject', () => {
    const subject = { mediaType: OCI_MANIFEST, digest: digest('5'), size: 1 }
    const odd = { mediaType: 'application/x', digest: digest('d'), size: 1 }
    const needs = needsOf(parse({ ...index, subject, manifests: [...index.manifests, odd] }))
    expect(needs).toEqual({ blobs: [], manifests: [digest('a')], either: [digest('d')] })
  })
})

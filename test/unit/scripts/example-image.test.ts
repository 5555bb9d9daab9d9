import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync } from 'node:zlib'
import { expect, test } from 'vitest'
import { type ExampleImage, writeExampleImage } from '../../../scripts/local-cluster/example-image.ts'
import { TORRENT_BYTES_MIN } from '../../../src/limits.ts'
import { client } from '../../support/clients.ts'
import { temporaryFolder } from '../../support/temporary.ts'

interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

function write(): ExampleImage {
  return writeExampleImage(temporaryFolder('example'))
}

function blob(image: ExampleImage, { digest, size }: Descriptor): Buffer {
  const bytes = readFileSync(join(image.directory, 'blobs', digest.replace(':', '/')))
  expect(`sha256:${createHash('sha256').update(bytes).digest('hex')}`).toBe(digest)
  expect(bytes.length).toBe(size)
  return bytes
}

function manifestOf(image: ExampleImage) {
  const index = JSON.parse(readFileSync(join(image.directory, 'index.json'), 'utf8'))
  return JSON.parse(blob(image, index.manifests[0]).toString()) as {
    config: Descriptor
    layers: Descriptor[]
  }
}

test('every descriptor of the layout names the bytes that are there', () => {
  const image = write()
  const { config, layers } = manifestOf(image)
  const [layer] = layers as [Descriptor]
  const { rootfs } = JSON.parse(blob(image, config).toString())
  const files = gunzipSync(blob(image, layer))
  expect(rootfs.diff_ids).toEqual([`sha256:${createHash('sha256').update(files).digest('hex')}`])
  expect(readFileSync(image.layer)).toEqual(blob(image, layer))
})

test('the layer is large enough to travel by BitTorrent', () => {
  const [layer] = manifestOf(write()).layers
  expect(layer?.size).toBeGreaterThan(4 * TORRENT_BYTES_MIN)
})

test('it is the same image every time', () => {
  expect(manifestOf(write())).toEqual(manifestOf(write()))
})

test('its layer is an archive that tar reads', () => {
  const { layer } = write()
  const listed = execFileSync('tar', ['-tzvf', layer]).toString().trim().split('\n')
  expect(listed).toHaveLength(2)
  expect(listed[0]).toMatch(/^-rw-r--r-- .*hello\.txt$/)
  expect(execFileSync('tar', ['-xzOf', layer, 'hello.txt']).toString()).toMatch(/^Hello from a registry/)
})

const skopeo = client('skopeo')
test.skipIf(!skopeo)('skopeo takes it for an image', () => {
  const { directory } = write()
  const inspected = JSON.parse(execFileSync(skopeo ?? '', ['inspect', `oci:${directory}:hello`]).toString())
  expect(inspected.Layers).toHaveLength(1)
})

import { createHash } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { type TarEntry, tar } from './tar.ts'

/** Well above the size from which blobs travel by BitTorrent. */
const DATA_BYTES = 1024 * 1024
const CREATED = '2026-01-01T00:00:00Z'
export const EXAMPLE_TAG = 'hello'

interface Descriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
}

export interface ExampleImage {
  /** The OCI layout. */
  readonly directory: string
  /** The one layer as a file: a gzipped tar, for clients that import one. */
  readonly layer: string
}

/** Writes a real image, the same bytes every time, so that the lines to paste need no network. */
export function writeExampleImage(directory: string): ExampleImage {
  const blobs = join(directory, 'blobs/sha256')
  mkdirSync(blobs, { recursive: true })
  const put = (mediaType: string, bytes: Uint8Array): Descriptor => {
    const hash = sha256(bytes)
    writeFileSync(join(blobs, hash), bytes)
    return { mediaType, digest: `sha256:${hash}`, size: bytes.length }
  }
  const files = tar(contents())
  const layer = put('application/vnd.oci.image.layer.v1.tar+gzip', gzipSync(files, { level: 6 }))
  const config = put(
    'application/vnd.oci.image.config.v1+json',
    json({
      created: CREATED,
      architecture: process.arch === 'arm64' ? 'arm64' : 'amd64',
      os: 'linux',
      config: { Cmd: ['/hello.txt'] },
      rootfs: { type: 'layers', diff_ids: [`sha256:${sha256(files)}`] },
      history: [{ created: CREATED, comment: 'made by scripts/up' }],
    }),
  )
  const mediaType = 'application/vnd.oci.image.manifest.v1+json'
  const manifest = put(mediaType, json({ schemaVersion: 2, mediaType, config, layers: [layer] }))
  const named = { ...manifest, annotations: { 'org.opencontainers.image.ref.name': EXAMPLE_TAG } }
  const index = { schemaVersion: 2, mediaType: 'application/vnd.oci.image.index.v1+json', manifests: [named] }
  writeFileSync(join(directory, 'index.json'), json(index))
  writeFileSync(join(directory, 'oci-layout'), json({ imageLayoutVersion: '1.0.0' }))
  return { directory, layer: join(blobs, layer.digest.slice('sha256:'.length)) }
}

function contents(): TarEntry[] {
  const hello = Buffer.from('Hello from a registry that is a peer-to-peer cluster.\n')
  return [
    { name: 'hello.txt', bytes: hello },
    { name: 'data.bin', bytes: incompressible(DATA_BYTES) },
  ]
}

/** A chain of hashes: no gzip makes it smaller, and it is the same on every machine. */
function incompressible(length: number): Uint8Array {
  const chunks: Buffer[] = []
  let last = Buffer.from('flotilla')
  for (let have = 0; have < length; have += last.length) {
    last = createHash('sha512').update(last).digest()
    chunks.push(last)
  }
  return Buffer.concat(chunks).subarray(0, length)
}

function sha256(bytes: Uint8Array): string {
  return createHash('sha256').update(bytes).digest('hex')
}

function json(value: object): Uint8Array {
  return Buffer.from(JSON.stringify(value))
}

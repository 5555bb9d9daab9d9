import { createHash } from 'node:crypto'
import { Agent, type IncomingHttpHeaders, request } from 'node:http'
import { OCI_INDEX, OCI_MANIFEST } from '../../src/oci/media-types.ts'

export interface Answered {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly rawHeaders: readonly string[]
  readonly body: Buffer
  json(): unknown
  /** The code of the first error in the body, in either protocol's form. */
  errorCode(): string | undefined
}

export interface Asked {
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: Uint8Array | string
}

export interface TestDescriptor {
  readonly mediaType: string
  readonly digest: string
  readonly size: number
  readonly [more: string]: unknown
}

export function sha256(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

export function sha512(bytes: Uint8Array | string): string {
  return `sha512:${createHash('sha512').update(bytes).digest('hex')}`
}

export function descriptor(mediaType: string, bytes: Uint8Array | string): TestDescriptor {
  return { mediaType, digest: sha256(bytes), size: Buffer.byteLength(bytes) }
}

/** Speaks HTTP to a registry and leaves paths just as they are given, `..` and %00 included. */
export class OciClient {
  readonly #url: URL
  readonly #headers: Readonly<Record<string, string>>
  readonly #agent = new Agent({ keepAlive: true, maxSockets: 16 })

  constructor(url: string, user?: string) {
    this.#url = new URL(url)
    const credential = Buffer.from(`${user ?? ''}:secret`).toString('base64')
    this.#headers = user === undefined ? {} : { authorization: `Basic ${credential}` }
  }

  send(method: string, path: string, { headers = {}, body }: Asked = {}): Promise<Answered> {
    return new Promise((resolve, reject) => {
      const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) }
      const sent = request({
        host: this.#url.hostname,
        port: this.#url.port,
        agent: this.#agent,
        method,
        path,
        headers: { ...this.#headers, ...length, ...headers },
      })
      sent.on('error', reject)
      sent.on('response', (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('error', reject)
        response.on('end', () => {
          const all = Buffer.concat(chunks)
          resolve({
            status: response.statusCode ?? 0,
            headers: response.headers,
            rawHeaders: response.rawHeaders,
            body: all,
            json: () => JSON.parse(all.toString()),
            errorCode: () =>
              (JSON.parse(all.toString()) as { errors?: { code: string }[] }).errors?.[0]?.code,
          })
        })
      })
      sent.end(body)
    })
  }

  async startUpload(repository: string): Promise<string> {
    const { status, headers } = await this.send('POST', `/v2/${repository}/blobs/uploads/`)
    if (status !== 202) throw new Error(`POST of an upload: ${status}`)
    return headers.location ?? ''
  }

  /** POST and PUT, as most clients do it. */
  async pushBlob(repository: string, bytes: Uint8Array | string, digest = sha256(bytes)): Promise<Answered> {
    const location = await this.startUpload(repository)
    return this.send('PUT', `${location}?digest=${digest}`, { body: bytes })
  }

  async pushManifest(repository: string, reference: string, document: object | string): Promise<Answered> {
    const body = typeof document === 'string' ? document : JSON.stringify(document)
    const { mediaType } = JSON.parse(body) as { mediaType: string }
    return this.send('PUT', `/v2/${repository}/manifests/${reference}`, {
      body,
      headers: { 'content-type': mediaType },
    })
  }

  /** Pushes a config and layers, and gives back the manifest for them. */
  async image(repository: string, layers: readonly (Uint8Array | string)[] = ['layer'], more: object = {}) {
    const config = '{"architecture":"amd64","os":"linux"}'
    for (const bytes of [config, ...layers]) await this.pushBlob(repository, bytes)
    return {
      schemaVersion: 2,
      mediaType: OCI_MANIFEST,
      config: descriptor('application/vnd.oci.image.config.v1+json', config),
      layers: layers.map((layer) => descriptor('application/vnd.oci.image.layer.v1.tar', layer)),
      ...more,
    }
  }

  close(): void {
    this.#agent.destroy()
  }
}

export function indexOf(manifests: readonly TestDescriptor[], more: object = {}) {
  return { schemaVersion: 2, mediaType: OCI_INDEX, manifests, ...more }
}

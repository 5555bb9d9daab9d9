import { createHash } from 'node:crypto'
import type { NodeProcess } from './cluster.ts'

export interface Account {
  readonly username: string
  readonly password: string
}

export function basic({ username, password }: Account): string {
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

/** Speaks to one node as one person, by the doors a client uses. */
export class NodeClient {
  readonly #node: Pick<NodeProcess, 'url'>
  readonly #account: Account

  constructor(node: Pick<NodeProcess, 'url'>, account: Account) {
    this.#node = node
    this.#account = account
  }

  /** The management API; `body` is sent as JSON. */
  async api(method: string, path: string, body?: unknown): Promise<{ status: number; body: unknown }> {
    const answer = await fetch(`${this.#node.url}/api/v2.0${path}`, {
      method,
      headers: {
        authorization: basic(this.#account),
        ...(body !== undefined && { 'content-type': 'application/json' }),
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
    })
    const text = await answer.text()
    return { status: answer.status, body: text === '' ? undefined : (JSON.parse(text) as unknown) }
  }

  /** A registry token, by the flow every client follows. */
  async token(repository: string, actions = 'pull,push,delete'): Promise<string> {
    const query = `service=harbor-registry&scope=repository:${repository}:${actions}`
    const answer = await fetch(`${this.#node.url}/service/token?${query}`, {
      headers: { authorization: basic(this.#account) },
    })
    return ((await answer.json()) as { token?: string }).token ?? ''
  }

  /** A request to the registry under a fresh token. */
  async registry(
    method: string,
    repository: string,
    path: string,
    init: RequestInit = {},
  ): Promise<Response> {
    const authorization = `Bearer ${await this.token(repository)}`
    return fetch(new URL(path, `${this.#node.url}/v2/${repository}/`), {
      ...init,
      method,
      headers: { ...(init.headers as Record<string, string>), authorization },
    })
  }

  /** Pushes a blob in one request. @returns its digest and the status of the answer */
  async pushBlob(repository: string, bytes: Uint8Array): Promise<{ status: number; digest: string }> {
    const digest = `sha256:${createHash('sha256').update(bytes).digest('hex')}`
    const { status } = await this.registry('POST', repository, `blobs/uploads/?digest=${digest}`, {
      headers: { 'content-type': 'application/octet-stream' },
      body: bytes,
    })
    return { status, digest }
  }

  /** Pushes an image of one layer under a tag. @returns the digest of its manifest */
  async pushImage(
    repository: string,
    tag: string,
    layer: Uint8Array,
  ): Promise<{ status: number; digest: string }> {
    const config = Buffer.from('{}')
    const blobs = [config, layer]
    const descriptors = []
    for (const bytes of blobs)
      descriptors.push({ digest: (await this.pushBlob(repository, bytes)).digest, size: bytes.length })
    const [configBlob, layerBlob] = descriptors
    const manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType: 'application/vnd.oci.image.manifest.v1+json',
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...configBlob },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...layerBlob }],
    })
    const { status, headers } = await this.registry('PUT', repository, `manifests/${tag}`, {
      headers: { 'content-type': 'application/vnd.oci.image.manifest.v1+json' },
      body: manifest,
    })
    return { status, digest: headers.get('docker-content-digest') ?? '' }
  }

  /** @returns the status of a GET, its body read to the end */
  async pull(repository: string, path: string): Promise<{ status: number; bytes: Buffer }> {
    const answer = await this.registry('GET', repository, path)
    return { status: answer.status, bytes: Buffer.from(await answer.arrayBuffer()) }
  }
}

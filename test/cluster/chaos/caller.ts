import { createHash } from 'node:crypto'
import type { Account } from './cluster.ts'
import type { Call, History, Operation, Outcome, Seen } from './history.ts'
import type { ChaosNode } from './node.ts'

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json'
/** Longer than anything takes on a node that is well; a stopped one gets no more of a client's time. */
const ANSWER_MS = 3_000

interface Answer {
  readonly outcome: Outcome
  readonly seen: Seen
  readonly headers: Headers | undefined
  readonly bytes: Buffer
}

interface Request {
  readonly method: string
  readonly path: string
  readonly account: Account
  readonly bearer?: string | undefined
  readonly type?: string
  readonly body?: Uint8Array | string
}

export function sha256(bytes: Uint8Array | string): string {
  return `sha256:${createHash('sha256').update(bytes).digest('hex')}`
}

/** One client: every request it makes is in the history. */
export class Caller {
  readonly name: string
  readonly #history: History
  readonly #answerMs: number
  readonly #tokens = new Map<string, string>()

  constructor(name: string, history: History, answerMs = ANSWER_MS) {
    this.name = name
    this.#history = history
    this.#answerMs = answerMs
  }

  api(
    node: ChaosNode,
    account: Account,
    method: string,
    path: string,
    op: Omit<Operation, 'actor'>,
    body?: object,
  ) {
    const request = {
      method,
      path: `/api/v2.0${path}`,
      account,
      ...(body && { body: JSON.stringify(body), type: 'application/json' }),
    }
    return this.#recorded(node, { ...op, actor: account.username }, request, (answer) => ({
      ...answer.seen,
      ...(op.kind.startsWith('list.') && answer.outcome === 'ok' && { names: namesIn(answer.bytes) }),
    }))
  }

  /** The number behind `/users/` or `/members/` in an answer's list, asked for as one more request. */
  async find(node: ChaosNode, account: Account, path: string, field: string, name: string) {
    const answer = await send(node, { method: 'GET', path: `/api/v2.0${path}`, account }, this.#answerMs)
    this.#count(node, account, answer)
    if (answer.outcome !== 'ok') return undefined
    const rows = JSON.parse(answer.bytes.toString()) as Record<string, unknown>[]
    const row = rows.find((one) => one[field] === name)
    return (row?.['id'] ?? row?.['user_id']) as number | undefined
  }

  /** Pushes a blob and a manifest that is of nothing else. The push is acknowledged when the manifest is. */
  async push(
    node: ChaosNode,
    account: Account,
    at: { project: string; repository: string; tag: string },
    layer: Buffer,
  ): Promise<Call | undefined> {
    const blob = sha256(layer)
    const upload = await send(
      node,
      {
        method: 'POST',
        path: `/v2/${at.repository}/blobs/uploads/?digest=${blob}`,
        account,
        type: 'application/octet-stream',
        body: layer,
      },
      this.#answerMs,
    )
    this.#count(node, account, upload)
    if (upload.seen.status !== 201) return undefined
    const descriptor = { digest: blob, size: layer.length }
    const manifest = JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST,
      config: { mediaType: 'application/vnd.oci.image.config.v1+json', ...descriptor },
      layers: [{ mediaType: 'application/vnd.oci.image.layer.v1.tar', ...descriptor }],
    })
    const op: Operation = { kind: 'push', actor: account.username, ...at, digest: sha256(manifest), blob }
    return this.#recorded(node, op, {
      method: 'PUT',
      path: `/v2/${at.repository}/manifests/${at.tag}`,
      account,
      type: MANIFEST,
      body: manifest,
    })
  }

  registry(
    node: ChaosNode,
    account: Account,
    method: string,
    op: Omit<Operation, 'actor'> & { repository: string },
    bearer = false,
  ): Promise<Call> {
    const [what, reference] =
      op.kind === 'read.blob' ? ['blobs', op.blob] : ['manifests', op.digest ?? op.tag]
    const path = `/v2/${op.repository}/${what}/${reference}`
    const token = bearer ? this.#tokens.get(tokenKey(node, account, op.repository)) : undefined
    return this.#recorded(
      node,
      { ...op, actor: account.username },
      { method, path, account, bearer: token },
      (answer) => ({
        ...answer.seen,
        ...(token !== undefined && { bearer: true }),
        ...(answer.outcome === 'ok' &&
          method === 'GET' && {
            bytes: sha256(answer.bytes),
            ...(op.kind !== 'read.blob' && { digest: answer.headers?.get('docker-content-digest') ?? '' }),
          }),
      }),
    )
  }

  /** A token to be used later, when the right it was made for may have gone. */
  async takeToken(node: ChaosNode, account: Account, repository: string): Promise<void> {
    const path = `/service/token?service=harbor-registry&scope=repository:${repository}:pull,push`
    const answer = await send(node, { method: 'GET', path, account }, this.#answerMs)
    this.#count(node, account, answer)
    if (answer.outcome !== 'ok') return
    const { token } = JSON.parse(answer.bytes.toString()) as { token: string }
    this.#tokens.set(tokenKey(node, account, repository), token)
  }

  #recorded(
    node: ChaosNode,
    op: Operation,
    request: Request,
    look: (answer: Answer) => Seen = ({ seen }) => seen,
  ): Promise<Call> {
    return this.#history.call(this.name, node.name, op, async () => {
      const answer = await send(node, request, this.#answerMs)
      return { outcome: answer.outcome, ...look(answer) }
    })
  }

  /** What prepares another call is kept only for its status. */
  #count(node: ChaosNode, account: Account, answer: Answer): void {
    const op: Operation = { kind: 'other', actor: account.username }
    this.#history
      .call(this.name, node.name, op, async () => ({ outcome: answer.outcome, ...answer.seen }))
      .catch(() => {})
  }
}

function tokenKey(node: ChaosNode, account: Account, repository: string): string {
  return `${node.name} ${account.username} ${repository}`
}

function namesIn(bytes: Buffer): string[] {
  const rows = JSON.parse(bytes.toString()) as { username?: string; entity_name?: string }[]
  return rows.map((row) => row.entity_name ?? row.username ?? '')
}

async function send(node: ChaosNode, request: Request, answerMs: number): Promise<Answer> {
  const { username, password } = request.account
  const authorization = request.bearer
    ? `Bearer ${request.bearer}`
    : `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
  try {
    const answer = await fetch(`${node.url}${request.path}`, {
      method: request.method,
      headers: { authorization, ...(request.type && { 'content-type': request.type }) },
      ...(request.body !== undefined && { body: request.body }),
      signal: AbortSignal.timeout(answerMs),
    })
    const bytes = Buffer.from(await answer.arrayBuffer())
    const { status, headers } = answer
    const outcome = status < 300 ? 'ok' : status < 500 ? 'fail' : 'unknown'
    const error = status >= 500 ? { error: bytes.toString().slice(0, 500) } : {}
    return { outcome, seen: { status, ...error }, headers, bytes }
  } catch (error) {
    const cause = (error as Error).cause as { code?: string } | undefined
    const outcome = cause?.code === 'ECONNREFUSED' ? 'fail' : 'unknown'
    const why = cause?.code ?? (error as Error).name
    return { outcome, seen: { error: why }, headers: undefined, bytes: Buffer.alloc(0) }
  }
}

import { Agent, type Dispatcher, request } from 'undici'
import { Fault } from '../errors.ts'

/** The largest answer is a status of hundreds of members. */
const RESPONSE_BYTES_MAX = 16 * 1024 * 1024
/** An invite may wait for a commit behind a burst of pushes; nothing waits longer. */
const RESPONSE_MS_MAX = 30_000
/** Harbor's largest page. */
const PAGE_SIZE = 100
/** Pages of one list: 100,000 rows, past which a script should ask the API itself. */
const PAGES_MAX = 1000

type Method = 'GET' | 'POST' | 'PUT' | 'DELETE'

/** How a node is reached: by its control socket, where the operator of the machine is trusted, or by URL. */
export type Reach =
  | { readonly socket: string }
  | { readonly server: string; readonly username: string; readonly password: string }

/** The management API (`/api/v2.0`) of one node. */
export class NodeApi {
  readonly #reach: Reach
  readonly #signal: AbortSignal
  readonly #dispatcher: Dispatcher

  constructor(reach: Reach, signal: AbortSignal) {
    this.#reach = reach
    this.#signal = signal
    this.#dispatcher = new Agent({
      ...('socket' in reach && { connect: { socketPath: reach.socket } }),
      headersTimeout: RESPONSE_MS_MAX,
      bodyTimeout: RESPONSE_MS_MAX,
      maxResponseSize: RESPONSE_BYTES_MAX,
    })
  }

  async get<T>(path: string): Promise<T> {
    return (await this.#send('GET', path)).body as T
  }

  /** What the answer holds, and where the thing was made (Location). */
  async post(path: string, body: object = {}): Promise<{ body: unknown; location: string | undefined }> {
    return this.#send('POST', path, body)
  }

  async put(path: string, body: object): Promise<void> {
    await this.#send('PUT', path, body)
  }

  async delete(path: string): Promise<void> {
    await this.#send('DELETE', path)
  }

  /** Every row of a list, page by page. */
  async list<T>(path: string): Promise<T[]> {
    const rows: T[] = []
    const glue = path.includes('?') ? '&' : '?'
    for (let page = 1; page <= PAGES_MAX; page++) {
      const some = await this.get<T[]>(`${path}${glue}page=${page}&page_size=${PAGE_SIZE}`)
      rows.push(...some)
      if (some.length < PAGE_SIZE) break
    }
    return rows
  }

  async #send(method: Method, path: string, body?: object) {
    const origin = 'socket' in this.#reach ? 'http://localhost' : this.#reach.server
    try {
      const answer = await request(`${origin}/api/v2.0${path}`, {
        method,
        dispatcher: this.#dispatcher,
        signal: this.#signal,
        headers: this.#headers(body !== undefined),
        ...(body && { body: JSON.stringify(body) }),
      })
      const text = await answer.body.text()
      if (answer.statusCode >= 300) throw refusal(answer.statusCode, text, answer.headers['x-flotilla-code'])
      const location = answer.headers.location
      return { body: parse(text), location: typeof location === 'string' ? location : undefined }
    } catch (error) {
      throw error instanceof Fault || this.#signal.aborted ? error : unreachable(error, this.#reach)
    }
  }

  #headers(hasBody: boolean): Record<string, string> {
    return {
      accept: 'application/json',
      // A project may be called 2026: what stands in a path is a name, never a number.
      'x-is-resource-name': 'true',
      ...(hasBody && { 'content-type': 'application/json' }),
      ...('server' in this.#reach && {
        authorization: `Basic ${Buffer.from(`${this.#reach.username}:${this.#reach.password}`).toString('base64')}`,
      }),
    }
  }
}

function parse(text: string): unknown {
  if (text === '') return undefined
  try {
    return JSON.parse(text)
  } catch (error) {
    const advice = 'is the URL that of a Flotilla node, without a path?'
    throw new Fault('NO_NODE_THERE', 'the answer is not that of a node', { advice }, error)
  }
}

/** Harbor's error body, as the fault it was at the other end. @param exact its code there, where Harbor has none for it */
function refusal(status: number, text: string, exact: string | string[] | undefined): Fault {
  const { code, message } = firstError(text)
  return new Fault(
    (typeof exact === 'string' ? exact : code) ?? `HTTP_${status}`,
    message ?? `the node answered ${status}`,
    { status },
  )
}

function firstError(text: string): { code?: string; message?: string } {
  try {
    const { errors } = JSON.parse(text) as { errors?: { code?: string; message?: string }[] }
    return errors?.[0] ?? {}
  } catch {
    return {}
  }
}

function unreachable(error: unknown, reach: Reach): Fault {
  const code = codeOf(error)
  if ('socket' in reach) {
    if (code === 'ENOENT' || code === 'ECONNREFUSED') {
      const message = `no node is running on this data directory (${reach.socket} is not there or not answered)`
      const advice =
        'start it with `flotilla serve`, name another directory with --data-dir, or use --server URL'
      return new Fault('NODE_NOT_RUNNING', message, { advice }, error)
    }
    if (code === 'EACCES' || code === 'EPERM') {
      const advice = 'run this as the user the node runs as, or use --server URL --username NAME'
      return new Fault('NOT_PERMITTED', `${reach.socket} belongs to another user`, { advice }, error)
    }
    return new Fault('NODE_UNREACHABLE', `the node at ${reach.socket} does not answer (${code})`, {}, error)
  }
  if (/CERT|SELF_SIGNED|UNABLE_TO_VERIFY|ALTNAME/.test(code)) {
    const message = `the certificate of ${reach.server} is not trusted (${code})`
    return new Fault('CERTIFICATE_UNTRUSTED', message, {}, error)
  }
  const advice = 'is the node running, and the URL its http address? `flotilla status` at the node shows it'
  return new Fault('NODE_UNREACHABLE', `${reach.server} does not answer (${code})`, { advice }, error)
}

function codeOf(error: unknown): string {
  const { code, cause } = error as { code?: string; cause?: { code?: string } }
  return code ?? cause?.code ?? (error instanceof Error ? error.message : 'unknown')
}

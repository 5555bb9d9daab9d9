import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync } from 'node:fs'
import { open, stat, writeFile } from 'node:fs/promises'
import { type IncomingMessage, request } from 'node:http'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import type { ClusterStatus } from '../../../src/registry/topology.ts'
import type { Place } from '../../support/network.ts'

const run = promisify(execFile)
/** A start has Level, libp2p and listeners to open, on a machine that runs four more nodes. */
const START_MS = 60_000
const STATUS_MS = 5_000
export const PORTS = { http: 5000, cluster: 4510, swarm: 4511 }

export interface Crash {
  readonly node: string
  readonly how: string
}

/** One node as a process in its own network namespace, on a clock of its own where that can be faked. */
export class ChaosNode {
  readonly name: string
  readonly place: Place
  readonly dataDir: string
  readonly url: string
  readonly log: string
  /** Ends nobody asked for. */
  readonly crashes: Crash[] = []
  readonly #program: string
  readonly #faketime: string | undefined
  readonly #site: string
  readonly #clock: string
  #process: ChildProcess | undefined
  #asked = false
  #logRead = 0

  /** Without `faketime` on the machine's clock; at a site of its own where none is given. */
  constructor(parts: {
    name: string
    place: Place
    root: string
    program: string
    faketime?: string
    site?: string
  }) {
    this.name = parts.name
    this.place = parts.place
    this.dataDir = join(parts.root, parts.name, 'data')
    this.log = join(parts.root, `${parts.name}.log`)
    this.url = `http://${parts.place.door}:${PORTS.http}`
    this.#program = parts.program
    this.#faketime = parts.faketime
    this.#site = parts.site ?? `site-${parts.name}`
    this.#clock = join(parts.root, `${parts.name}.clock`)
  }

  /** False once the process has ended, by itself or by `kill`. */
  get runs(): boolean {
    return this.#process?.exitCode === null && this.#process.signalCode === null
  }

  /** Shows the node a time that is `seconds` off; its monotonic clock goes on as it does. */
  async setClock(seconds: number): Promise<void> {
    await writeFile(this.#clock, `${seconds < 0 ? '-' : '+'}${Math.abs(seconds)}\n`)
  }

  /** Runs a command of the CLI to its end where the node stands. */
  async json<T>(...words: string[]): Promise<T> {
    const command = [...this.#inside, process.execPath, this.#program, ...words, '--json']
    const { stdout } = await run('nsenter', command, { env: this.#environment, timeout: 2 * START_MS })
    return JSON.parse(stdout) as T
  }

  async start(signal?: AbortSignal): Promise<void> {
    const log = openSync(this.log, 'a')
    const command = [...this.#inside, 'env', ...this.#preload, process.execPath, this.#program, 'serve']
    const child = spawn('nsenter', command, { env: this.#environment, stdio: ['ignore', log, log] })
    closeSync(log)
    this.#process = child
    this.#asked = false
    child.on('exit', (code, cause) => {
      if (!this.#asked) this.crashes.push({ node: this.name, how: cause ?? `exit ${code}` })
    })
    const deadline = performance.now() + START_MS
    for (;;) {
      signal?.throwIfAborted()
      if (!this.runs) throw new Error(`${this.name} ended while starting: see ${this.log}`)
      if (await this.#isReady()) return
      if (performance.now() > deadline) throw new Error(`${this.name} is not ready after ${START_MS} ms`)
      await sleep(50)
    }
  }

  async kill(signal: 'SIGKILL' | 'SIGTERM' = 'SIGKILL'): Promise<void> {
    const child = this.#process
    this.#asked = true
    if (!child || !this.runs) return
    const exited = once(child, 'exit')
    child.kill(signal)
    if (signal === 'SIGTERM') child.kill('SIGCONT')
    await exited
  }

  /** SIGSTOP: it neither runs nor goes away. */
  pause(): void {
    this.#process?.kill('SIGSTOP')
  }

  resume(): void {
    this.#process?.kill('SIGCONT')
  }

  /** At the control socket, which no fault between members touches. */
  async operator(method: string, path: string, body?: object): Promise<{ status: number; body: unknown }> {
    const asking = request({
      socketPath: join(this.dataDir, 'control.sock'),
      path: `/api/v2.0${path}`,
      method,
      signal: AbortSignal.timeout(STATUS_MS),
      headers: body === undefined ? {} : { 'content-type': 'application/json' },
    })
    asking.end(body === undefined ? undefined : JSON.stringify(body))
    const [answer] = (await once(asking, 'response')) as [IncomingMessage]
    const said = await text(answer)
    return { status: answer.statusCode ?? 0, body: said === '' ? undefined : (JSON.parse(said) as unknown) }
  }

  async status(): Promise<ClusterStatus> {
    return (await this.operator('GET', '/cluster')).body as ClusterStatus
  }

  /** What the log has gained since it was last asked for. */
  async newLogLines(): Promise<string[]> {
    const size = await stat(this.log).then(
      (file) => file.size,
      () => 0,
    )
    if (size <= this.#logRead) return []
    const file = await open(this.log)
    try {
      const bytes = Buffer.alloc(size - this.#logRead)
      await file.read(bytes, 0, bytes.length, this.#logRead)
      this.#logRead = size
      return bytes.toString().split('\n').filter(Boolean)
    } finally {
      await file.close()
    }
  }

  async #isReady(): Promise<boolean> {
    try {
      const answer = await fetch(`${this.url}/api/v2.0/health`, { signal: AbortSignal.timeout(STATUS_MS) })
      await answer.arrayBuffer()
      return answer.status === 200
    } catch {
      return false
    }
  }

  get #preload(): string[] {
    if (this.#faketime === undefined) return []
    return [
      `LD_PRELOAD=${this.#faketime}`,
      `FAKETIME_TIMESTAMP_FILE=${this.#clock}`,
      'FAKETIME_CACHE_DURATION=1',
      'DONT_FAKE_MONOTONIC=1',
      'FAKETIME_DONT_FAKE_MONOTONIC=1',
      'NO_FAKE_STAT=1',
    ]
  }

  get #inside(): string[] {
    return [`--net=/run/netns/${this.place.namespace}`]
  }

  get #environment(): NodeJS.ProcessEnv {
    return {
      ...process.env,
      FLOTILLA_DATA_DIR: this.dataDir,
      FLOTILLA_NODE_NAME: this.name,
      FLOTILLA_NODE_SITE: this.#site,
      FLOTILLA_HTTP_HOST: this.place.door,
      FLOTILLA_HTTP_PORT: String(PORTS.http),
      FLOTILLA_CLUSTER_HOST: this.place.address,
      FLOTILLA_CLUSTER_ANNOUNCE: this.place.alias,
      FLOTILLA_CLUSTER_PORT: String(PORTS.cluster),
      FLOTILLA_SWARM_PORT: String(PORTS.swarm),
    }
  }
}

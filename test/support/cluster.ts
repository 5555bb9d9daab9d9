import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createWriteStream } from 'node:fs'
import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { get } from 'node:http'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { vi } from 'vitest'
import type { ClusterStatus } from '../../src/registry/topology.ts'

const run = promisify(execFile)
const FLOTILLA = join(import.meta.dirname, '../../bin/flotilla.js')
/** A node that starts has Level, libp2p and two listeners to open, on a machine that may be busy. */
export const PATIENCE_MS = 60_000

/** One node as a process of its own, driven by the command line as an operator would. */
export class NodeProcess {
  readonly name: string
  readonly dataDir: string
  readonly url: string
  readonly host: string
  readonly ports: { readonly http: number; readonly cluster: number; readonly swarm: number }
  readonly #environment: NodeJS.ProcessEnv
  readonly #program: string
  #process: ChildProcess | undefined

  constructor(
    name: string,
    root: string,
    [http, cluster, swarm]: readonly number[],
    extra: NodeJS.ProcessEnv = {},
    program = FLOTILLA,
  ) {
    this.name = name
    this.#program = program
    this.dataDir = join(root, name)
    this.ports = { http: http as number, cluster: cluster as number, swarm: swarm as number }
    this.host = `127.0.0.1:${http}`
    this.url = `http://${this.host}`
    this.#environment = {
      ...process.env,
      FLOTILLA_DATA_DIR: this.dataDir,
      FLOTILLA_NODE_NAME: name,
      FLOTILLA_NODE_SITE: `site-${name}`,
      FLOTILLA_HTTP_PORT: String(http),
      FLOTILLA_CLUSTER_HOST: '127.0.0.1',
      FLOTILLA_CLUSTER_PORT: String(cluster),
      FLOTILLA_SWARM_PORT: String(swarm),
      ...extra,
    }
  }

  get pid(): number | undefined {
    return this.#process?.pid
  }

  /** False once the process has ended, by itself or by `kill`. */
  get runs(): boolean {
    return this.#process?.exitCode === null && this.#process.signalCode === null
  }

  get log(): string {
    return `${this.dataDir}.log`
  }

  /** Runs a command of the CLI to its end; rejects with what it printed when it fails. */
  async cli(...args: string[]): Promise<string> {
    try {
      return (
        await run(process.execPath, [this.#program, ...args], {
          env: this.#environment,
          timeout: 2 * PATIENCE_MS,
        })
      ).stdout
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string }
      throw new Error(`flotilla ${args[0]}: ${stderr}${stdout}`, { cause: error })
    }
  }

  /** The same, with a file on standard input. */
  async input(file: string, ...args: string[]): Promise<string> {
    const words = [this.#program, ...args].map((word) => `'${word}'`).join(' ')
    try {
      const env = this.#environment
      const command = `exec '${process.execPath}' ${words} < '${file}'`
      return (await run('sh', ['-c', command], { env, timeout: 2 * PATIENCE_MS })).stdout
    } catch (error) {
      const { stdout, stderr } = error as { stdout: string; stderr: string }
      throw new Error(`flotilla ${args[0]}: ${stderr}${stdout}`, { cause: error })
    }
  }

  async json<T>(...args: string[]): Promise<T> {
    return JSON.parse(await this.cli(...args, '--json')) as T
  }

  async serve(): Promise<void> {
    const child = spawn(process.execPath, [this.#program, 'serve'], {
      env: this.#environment,
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    const log = createWriteStream(this.log, { flags: 'a' })
    child.stdout.pipe(log, { end: false })
    child.stderr.pipe(log, { end: false })
    this.#process = child
    const ended = once(child, 'exit').then(async () => {
      throw new Error(
        `${this.name} ended while starting:\n${(await readFile(this.log, 'utf8')).slice(-3000)}`,
      )
    })
    ended.catch(() => {})
    const ready = vi.waitFor(
      async () => {
        const { status } = await fetch(`${this.url}/api/v2.0/health`)
        if (status !== 200) throw new Error(`health answers ${status}`)
      },
      { timeout: PATIENCE_MS, interval: 100 },
    )
    await Promise.race([ready, ended])
  }

  async kill(signal: NodeJS.Signals = 'SIGKILL'): Promise<void> {
    const child = this.#process
    this.#process = undefined
    if (!child || child.exitCode !== null || child.signalCode !== null) return
    const exited = once(child, 'exit')
    child.kill(signal)
    await exited
  }

  /** Asked at the control socket, past the command line, which takes a second to start. */
  status(): Promise<ClusterStatus> {
    return new Promise((resolve, reject) => {
      const asked = get({ socketPath: join(this.dataDir, 'control.sock'), path: '/api/v2.0/cluster' })
      asked.on('error', reject)
      asked.on('response', (answer) => {
        text(answer).then((body) => resolve(JSON.parse(body) as ClusterStatus), reject)
      })
    })
  }
}

export interface Cluster {
  readonly nodes: readonly NodeProcess[]
  readonly admin: { readonly username: string; readonly password: string }
  readonly root: string
  stop(): Promise<void>
}

/**
 * Makes a cluster of real processes on this machine, and waits until all members agree.
 * @param sites where each node stands; a site of its own where it is left out
 */
export async function startCluster(
  size: number,
  environment: NodeJS.ProcessEnv = {},
  sites: readonly string[] = [],
): Promise<Cluster> {
  const root = await mkdtemp(join(tmpdir(), 'flotilla-cluster-'))
  const ports = await freePorts(3 * size)
  const nodes = Array.from(
    { length: size },
    (_, index) =>
      new NodeProcess(`node${index + 1}`, root, ports.slice(3 * index, 3 * index + 3), {
        ...environment,
        ...(sites[index] !== undefined && { FLOTILLA_NODE_SITE: sites[index] }),
      }),
  )
  const stop = async () => {
    await Promise.all(nodes.map((node) => node.kill('SIGTERM')))
    await rm(root, { recursive: true, force: true })
  }
  try {
    const [first, ...others] = nodes as [NodeProcess, ...NodeProcess[]]
    const { admin } = await first.json<{ admin: Cluster['admin'] }>('init')
    await first.serve()
    for (const node of others) {
      const { invite } = await first.json<{ invite: string }>('invite')
      await node.cli('join', invite)
      await node.serve()
    }
    await agreed(nodes)
    return { nodes, admin, root, stop }
  } catch (error) {
    await stop()
    throw error
  }
}

/** Waits until every one of `nodes` is connected to the others and all have the same state hash. */
export async function agreed(nodes: readonly NodeProcess[]): Promise<void> {
  const settled = async () => {
    const all = await Promise.all(nodes.map((node) => node.status()))
    const live = new Set(all.map((one) => one.self))
    for (const { members } of all) {
      const connected = members.filter((member) => live.has(member.id) && member.connected)
      if (connected.length !== nodes.length) throw new Error(`${connected.length} members are connected`)
    }
    const hashes = new Set(all.map((one) => one.stateHash))
    if (hashes.size > 1) throw new Error(`state hashes differ: ${[...hashes].join(' ')}`)
  }
  await vi.waitFor(settled, { timeout: PATIENCE_MS, interval: 250 })
}

/** Ports nobody listens on at this moment. */
export async function freePorts(count: number): Promise<number[]> {
  const servers = await Promise.all(
    Array.from({ length: count }, async () => {
      const server = createServer().listen(0, '127.0.0.1')
      await once(server, 'listening')
      return server
    }),
  )
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))))
  return ports
}

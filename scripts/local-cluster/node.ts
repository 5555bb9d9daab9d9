import { execFile, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { CONTROL_SOCKET } from '../../src/cli/connection.ts'
import { NodeApi } from '../../src/cli/node-api.ts'
import type { ClusterStatus } from '../../src/registry/topology.ts'
import { isAlive, type LocalState, type NodeState } from './state.ts'

const run = promisify(execFile)
const FLOTILLA = join(import.meta.dirname, '../../bin/flotilla.js')

/** Level, libp2p and two listeners, on a machine that may be busy. */
const START_MS_MAX = 60_000
/** Uploads under way get this long to end. */
const STOP_MS_MAX = 20_000
/** A join speaks to one node on the same machine. */
const COMMAND_MS_MAX = 90_000
const POLL_MS = 100
const LOG_LINES_SHOWN = 15

/** One node of the local cluster: a process that goes on when the script has ended. */
export class LocalNode {
  readonly #state: LocalState
  #node: NodeState

  constructor(state: LocalState, node: NodeState) {
    this.#state = state
    this.#node = node
  }

  get facts(): NodeState {
    return this.#node
  }

  get url(): string {
    return `http://127.0.0.1:${this.#node.ports.http}`
  }

  get dataDir(): string {
    return this.#state.dataDir(this.#node)
  }

  get settingsFile(): string {
    return this.#state.settingsFile(this.#node)
  }

  save(change: Partial<Pick<NodeState, 'pid' | 'member'>>): void {
    this.#node = { ...this.#node, ...change }
    this.#state.put(this.#node)
  }

  writeSettings(): void {
    const { name, site, ports } = this.#node
    const lines = [
      `# ${name} of the cluster that scripts/up made`,
      `dataDir: ${basename(this.dataDir)}`,
      `node: { name: ${name}, site: ${site} }`,
      `http: { host: 127.0.0.1, port: ${ports.http} }`,
      `cluster: { host: 127.0.0.1, port: ${ports.cluster} }`,
      `swarm: { port: ${ports.swarm} }`,
    ]
    writeFileSync(this.settingsFile, `${lines.join('\n')}\n`)
  }

  /** Runs one command of the CLI on this node, and reads its JSON. */
  async command<T>(...words: string[]): Promise<T> {
    const all = [FLOTILLA, '--config', this.settingsFile, ...words, '--json']
    try {
      const { stdout } = await run(process.execPath, all, { env: environment(), timeout: COMMAND_MS_MAX })
      return JSON.parse(stdout) as T
    } catch (error) {
      const { stderr } = error as { stderr?: string }
      throw new Error(`flotilla ${words[0]} on ${this.#node.name}: ${stderr?.trim() || String(error)}`, {
        cause: error,
      })
    }
  }

  /** Starts the process, unless it runs; resolves when the node answers. */
  async start(): Promise<void> {
    if (await this.status()) return
    const log = openSync(this.#state.logFile(this.#node), 'a', 0o600)
    const child = spawn(process.execPath, [FLOTILLA, '--config', this.settingsFile, 'serve'], {
      detached: true,
      stdio: ['ignore', log, log],
      env: environment(),
    })
    closeSync(log)
    child.unref()
    if (child.pid === undefined) throw new Error(`${this.#node.name} could not be started`)
    this.save({ pid: child.pid })
    const deadline = performance.now() + START_MS_MAX
    while (!(await this.status())) {
      if (child.exitCode !== null || child.signalCode !== null)
        throw new Error(this.#lastWords('ended while starting'))
      if (performance.now() > deadline) throw new Error(this.#lastWords('does not answer'))
      await sleep(POLL_MS)
    }
  }

  /** What the node says of the cluster; undefined where it does not run. */
  async status(): Promise<ClusterStatus | undefined> {
    if (!this.isRunning()) return undefined
    const api = new NodeApi({ socket: join(this.dataDir, CONTROL_SOCKET) }, AbortSignal.timeout(START_MS_MAX))
    return api.get<ClusterStatus>('/cluster').catch(() => undefined)
  }

  /** Whether our process is there; a number that another program has by now is not ours. */
  isRunning(): boolean {
    const { pid } = this.#node
    if (pid === null || !isAlive(pid)) return false
    const commandLine = `/proc/${pid}/cmdline`
    return !existsSync(commandLine) || readFileSync(commandLine, 'utf8').includes(this.settingsFile)
  }

  /** @returns false when it had to be killed */
  async stop(): Promise<boolean> {
    const { pid } = this.#node
    if (pid === null || !this.isRunning()) return true
    process.kill(pid, 'SIGTERM')
    const deadline = performance.now() + STOP_MS_MAX
    while (this.isRunning() && performance.now() < deadline) await sleep(POLL_MS)
    const orderly = !this.isRunning()
    if (!orderly) process.kill(pid, 'SIGKILL')
    while (this.isRunning()) await sleep(POLL_MS)
    this.save({ pid: null })
    return orderly
  }

  #lastWords(what: string): string {
    const file = this.#state.logFile(this.#node)
    const lines = existsSync(file)
      ? readFileSync(file, 'utf8').trimEnd().split('\n').slice(-LOG_LINES_SHOWN)
      : []
    return [`${this.#node.name} ${what}; the end of ${file}:`, ...lines.map((line) => `    ${line}`)].join(
      '\n',
    )
  }
}

/** Ours without settings of whoever runs the script: these nodes have their own. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('FLOTILLA_')))
}

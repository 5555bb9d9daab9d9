import { type ChildProcess, execFile, spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { CONTROL_SOCKET } from '../../src/cli/connection.ts'
import { NodeApi } from '../../src/cli/node-api.ts'
import type { ClusterStatus, MemberStatus } from '../../src/registry/topology.ts'
import { commandLine, ownerOf, runs } from './processes.ts'
import type { LocalState, NodeState } from './state.ts'

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
/** What `flotilla serve` says when it ends because the node is out. */
const OUT_WORDS = /the node has stopped: this node (?:was (evicted)|has (left))/

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

  save(change: Partial<Pick<NodeState, 'id' | 'pid' | 'member' | 'out'>>): void {
    this.#node = { ...this.#node, ...change }
    this.#state.put(this.#node)
  }

  /** Keeps that this node is out, where these rows of a member's status say so; by name until its id is known. */
  noteOut(rows: readonly MemberStatus[]): void {
    const { id, name, out } = this.#node
    const row = rows.find((member) => (id === undefined ? member.name === name : member.id === id))
    if (out === undefined && row !== undefined && (row.state === 'left' || row.state === 'evicted'))
      this.save({ out: row.state })
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

  /**
   * Starts the process, unless one runs; resolves when the node answers.
   * One that is out of the cluster ends by itself, and that is kept.
   */
  async start(): Promise<void> {
    const logged = this.#log().length
    const child = this.pid() === undefined && !(await this.status()) ? this.#spawn() : undefined
    const deadline = performance.now() + START_MS_MAX
    for (;;) {
      const status = await this.status()
      if (status !== undefined) return this.noteOut(status.members.filter(({ self }) => self))
      if (child ? child.exitCode !== null || child.signalCode !== null : this.pid() === undefined) {
        const why = OUT_WORDS.exec(this.#log().slice(logged))
        if (child && why) return this.save({ out: why[1] ? 'evicted' : 'left' })
        throw new Error(this.#lastWords('ended while starting'))
      }
      if (performance.now() > deadline) throw new Error(this.#lastWords('does not answer'))
      await sleep(POLL_MS)
    }
  }

  #spawn(): ChildProcess {
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
    return child
  }

  /** What the node says of the cluster, whoever started it; undefined where nothing answers. */
  async status(): Promise<ClusterStatus | undefined> {
    const api = new NodeApi({ socket: join(this.dataDir, CONTROL_SOCKET) }, AbortSignal.timeout(START_MS_MAX))
    return api.get<ClusterStatus>('/cluster').catch(() => undefined)
  }

  /** The process that serves this directory: the one the script started, else whoever has the journal open. */
  pid(): number | undefined {
    return this.#ourPid() ?? ownerOf(this.dataDir)
  }

  /** A number that another program has by now is not ours. */
  #ourPid(): number | undefined {
    const { pid } = this.#node
    if (pid === null || !runs(pid)) return undefined
    return commandLine(pid)?.includes(this.settingsFile) === false ? undefined : pid
  }

  /** @returns false when it had to be killed */
  async stop(): Promise<boolean> {
    const pid = this.pid()
    if (pid === undefined) return true
    process.kill(pid, 'SIGTERM')
    const deadline = performance.now() + STOP_MS_MAX
    while (runs(pid) && performance.now() < deadline) await sleep(POLL_MS)
    const orderly = !runs(pid)
    if (!orderly) process.kill(pid, 'SIGKILL')
    while (runs(pid)) await sleep(POLL_MS)
    this.save({ pid: null })
    return orderly
  }

  #log(): string {
    const file = this.#state.logFile(this.#node)
    return existsSync(file) ? readFileSync(file, 'utf8') : ''
  }

  #lastWords(what: string): string {
    const file = this.#state.logFile(this.#node)
    const lines = this.#log().trimEnd().split('\n').slice(-LOG_LINES_SHOWN)
    return [`${this.#node.name} ${what}; the end of ${file}:`, ...lines.map((line) => `    ${line}`)].join(
      '\n',
    )
  }
}

/** Ours without settings of whoever runs the script: these nodes have their own. */
function environment(): NodeJS.ProcessEnv {
  return Object.fromEntries(Object.entries(process.env).filter(([name]) => !name.startsWith('FLOTILLA_')))
}

import type { Config } from '../config/config.ts'

/**
 * What the command line asks of the product. The composition root fulfils it, so that no command
 * sees a store or the cluster. Nothing here prints; failures are Faults.
 */
export interface Runtime {
  /** Of this program, as package.json has it. */
  readonly version: string
  /**
   * Makes a node and founds a cluster with it.
   * @throws Fault DATA_DIR_IN_USE when the directory already holds a node or a running one has it open
   */
  init(config: Config, options: InitOptions): Promise<Founded>
  /**
   * Makes a node and redeems the invite; afterwards the node is a member and may serve. A node that is a member
   * of that cluster already comes in again, with what it holds: its term was over, or its network key outdated.
   * @throws Fault DATA_DIR_IN_USE, INVITE_INVALID, INVITE_EXPIRED, PEER_UNREACHABLE, APPROVAL_PENDING
   */
  join(config: Config, invite: string, options: JoinOptions): Promise<Joined>
  /**
   * Starts the node; resolves when it answers.
   * @throws Fault NODE_NOT_INITIALISED, DATA_DIR_IN_USE, PORT_IN_USE
   */
  serve(config: Config, options: ServeOptions): Promise<RunningNode>
  /** What only the product can look at: the journal of a node that does not run. */
  inspect(config: Config): Promise<readonly Check[]>
}

export interface InitOptions {
  readonly clusterName: string
  /** Null: generate one. */
  readonly adminPassword: string | null
}

export interface JoinOptions {
  readonly signal: AbortSignal
  /** Told once that a second consent is waited for. */
  readonly onPending: (nodeId: string) => void
}

export interface ServeOptions {
  /** Takes the log, one JSON line at a time (`createLogger`); undefined: standard output. */
  readonly log: { write(line: string): void } | undefined
}

export interface Founded {
  readonly clusterId: string
  readonly nodeId: string
  readonly admin: { readonly username: string; readonly password: string }
  /** Shown once; nothing keeps it. */
  readonly recoveryKey: string
}

export interface Joined {
  readonly clusterId: string
  readonly clusterName: string
  readonly nodeId: string
}

export interface RunningNode {
  readonly nodeId: string
  readonly clusterId: string
  readonly clusterName: string
  /** Where clients reach it, best first. */
  readonly urls: readonly string[]
  /** Addresses other members dial. */
  readonly addresses: readonly string[]
  /** Finishes what is under way, in bounded time. */
  stop(): Promise<void>
  /** Settles when the node ended by itself (evicted, left, storage gone); the text says why. */
  readonly ended: Promise<string>
}

export interface Check {
  readonly name: string
  readonly status: 'ok' | 'warn' | 'fail' | 'skip'
  readonly detail: string
  /** What to do about it, where it is not ok. */
  readonly advice?: string
}

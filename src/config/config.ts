/** What a node runs with: every value checked, every default filled in. */
export interface Config {
  /** Absolute path; everything this node keeps is below it. */
  readonly dataDir: string
  readonly node: { readonly name: string; readonly site: string }
  readonly http: {
    readonly host: string
    readonly port: number
    /** Where clients reach the node from outside; null: derived from host and port. */
    readonly url: string | null
    /** PEM files; null: plain HTTP. */
    readonly tls: { readonly cert: string; readonly key: string } | null
  }
  readonly cluster: {
    readonly host: string
    readonly port: number
    /** `host:port` or multiaddrs to tell other members, instead of what this machine's interfaces say. */
    readonly announce: readonly string[]
  }
  readonly swarm: { readonly port: number }
  readonly log: { readonly level: LogLevel }
  readonly token: { readonly ttlSeconds: number }
  readonly disk: { readonly warnBelowBytes: number }
  /** For the first administrator, at `init` only; null: generated. */
  readonly admin: { readonly password: string | null }
}

export type LogLevel = 'trace' | 'debug' | 'info' | 'warn' | 'error' | 'silent'

/** Where a value came from. */
export type Origin =
  | { readonly from: 'default' }
  | { readonly from: 'file'; readonly file: string; readonly line: number }
  | { readonly from: 'environment'; readonly name: string }
  | { readonly from: 'flag'; readonly name: string }

/** `flotilla.yaml:4`, `FLOTILLA_HTTP_PORT`, `--http-port`, `default`. */
export function formatOrigin(origin: Origin): string {
  if (origin.from === 'default') return 'default'
  return origin.from === 'file' ? `${origin.file}:${origin.line}` : origin.name
}

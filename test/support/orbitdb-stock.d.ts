/** What the benches and the tests of stock OrbitDB use of it, beside what `types/orbitdb.d.ts` declares. */
declare module '@orbitdb/core' {
  export interface StockIdentity extends LogIdentity {
    readonly bytes: Uint8Array
  }

  export interface StockIdentities extends LogIdentities {
    createIdentity(options: { readonly id: string }): Promise<StockIdentity>
    getIdentity(hash: string): Promise<StockIdentity | undefined>
    verifyIdentity(identity: StockIdentity): Promise<boolean>
  }

  /** The oplog with the parts of it that take in what others wrote. */
  export interface StockLog extends OrbitLog {
    joinEntry(entry: LogEntry): Promise<boolean>
    join(other: StockLog): Promise<void>
    values(): Promise<LogEntry[]>
  }

  export interface StockAccess {
    canAppend(entry: Omit<LogEntry, 'hash'>): Promise<boolean>
    grant(capability: string, id: string): Promise<void>
    revoke(capability: string, id: string): Promise<void>
    get(capability: string): Promise<Set<string>>
  }

  export interface StockDatabase {
    readonly address: string
    readonly log: StockLog
    readonly access: StockAccess
    readonly events: {
      on(event: 'update', listener: (entry: LogEntry) => void): void
      on(event: 'error', listener: (error: unknown) => void): void
    }
    put(key: string, value: unknown): Promise<string>
    get(key: string): Promise<unknown>
    all(): Promise<{ readonly key: string; readonly value: unknown; readonly hash: string }[]>
    close(): Promise<void>
  }

  export interface StockOrbitDB {
    readonly identity: StockIdentity
    readonly identities: StockIdentities
    open(
      address: string,
      options?: { readonly type?: string; readonly AccessController?: unknown; readonly Database?: unknown },
    ): Promise<StockDatabase>
    stop(): Promise<void>
  }

  /** The few parts of an IPFS node it calls. */
  export interface SmallestIpfs {
    readonly libp2p: unknown
    readonly blockstore: {
      put(cid: unknown, bytes: Uint8Array): Promise<unknown>
      get(cid: unknown, options?: { readonly signal?: AbortSignal }): AsyncIterable<Uint8Array>
    }
    readonly pins: { isPinned(cid: unknown): Promise<boolean>; add(cid: unknown): AsyncIterable<unknown> }
  }

  export function createOrbitDB(options: {
    readonly ipfs: SmallestIpfs
    readonly directory: string
    readonly id?: string
  }): Promise<StockOrbitDB>
  export function IPFSAccessController(options: { readonly write: readonly string[] }): unknown
  export function OrbitDBAccessController(options: { readonly write: readonly string[] }): unknown
  /** Database type `keyvalue` with an index on disk. */
  export function KeyValueIndexed(): unknown
}

/**
 * What `cluster/ledger` uses of @orbitdb/core 4.0.0, which ships no types: the log and its entries. Its
 * databases, sync, access controllers and key store stay out.
 */
declare module '@orbitdb/core' {
  /** One block of the log, as its author signed it. Hashes are base58btc CIDs. */
  export interface LogEntry {
    readonly id: string
    readonly payload: unknown
    readonly next: readonly string[]
    readonly refs: readonly string[]
    readonly clock: { readonly id: string; readonly time: number }
    readonly v: number
    readonly key: string
    readonly identity: string
    readonly sig: string
    readonly hash: string
  }

  export interface LogIdentities {
    verify(signature: string, key: string, data: Uint8Array): Promise<boolean>
  }

  export interface LogIdentity extends LogIdentities {
    readonly id: string
    readonly publicKey: string
    readonly hash: string
    sign(identity: LogIdentity, data: Uint8Array): Promise<string>
  }

  export interface LogStorage<T> {
    put(key: string, value: T): Promise<void>
    get(key: string): Promise<T | undefined>
    close(): Promise<void>
  }

  export interface OrbitLog {
    readonly id: string
    /** Queued one after another; rejects when a storage does, and then nothing of the log has changed. */
    append(payload: unknown, options?: { readonly referencesCount: number }): Promise<LogEntry>
    /** From the head back to the first. */
    traverse(): AsyncIterable<LogEntry>
    heads(): Promise<LogEntry[]>
    close(): Promise<void>
  }

  export function Log(
    identity: LogIdentity,
    options: {
      readonly logId: string
      readonly access: { canAppend(entry: Omit<LogEntry, 'hash'>): Promise<boolean> }
      readonly entryStorage: LogStorage<Uint8Array>
      readonly headsStorage: LogStorage<Uint8Array>
      readonly indexStorage: LogStorage<boolean>
    },
  ): Promise<OrbitLog>

  export const Entry: {
    /** @throws Error when the bytes are no DAG-CBOR; says nothing about what they hold */
    decode(bytes: Uint8Array): Promise<LogEntry>
    encode(entry: LogEntry): Promise<{ hash: string; bytes: Uint8Array }>
    verify(identities: LogIdentities, entry: LogEntry): Promise<boolean>
    create(
      identity: LogIdentity,
      logId: string,
      payload: unknown,
      encrypt: undefined,
      clock: { readonly id: string; readonly time: number },
      next: readonly string[],
      refs: readonly string[],
    ): Promise<Omit<LogEntry, 'hash'>>
  }
}

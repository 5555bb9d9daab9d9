/** The embedded ordered store under the journal. Keys sort by their UTF-8 bytes. `store/level` fulfils it. */
export interface KeyValue {
  /** Synchronous on purpose: plans and the reducer run without a gap another writer could use. */
  get(key: string): Uint8Array | undefined
  /** The rows as they stand at the call, however late they are read. */
  range(bounds: KeyRange): AsyncIterable<readonly [string, Uint8Array]>
  /** All of it or nothing, on stable storage (fsync) when the promise resolves. */
  write(batch: readonly Write[]): Promise<void>
}

export interface KeyRange {
  readonly gte: string
  readonly lt: string
  readonly limit?: number
  readonly reverse?: boolean
}

export type Write =
  | { readonly type: 'put'; readonly key: string; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: string }

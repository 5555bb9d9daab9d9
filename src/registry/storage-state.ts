/** How the disk under a node does. `store/` fulfils it. */
export interface StorageState {
  /** Nothing can be recorded until an operator has replaced what the disk damaged. */
  readonly unwritable: Error | undefined
  /** No room is left to record anything; what is here can be read. */
  isFull(): Promise<boolean>
  facts(): Promise<StorageFacts>
}

export interface StorageFacts {
  /** What the disk has damaged of the records and what to do, as reading or writing has shown since the start. */
  readonly damage: string | null
  /** False where that, or want of room, keeps everything from being recorded. */
  readonly writable: boolean
  /** On the fuller of the volumes of records and content. */
  readonly freeBytes: number
  /** What an operator should know or do, in sentences. */
  readonly notices: readonly string[]
}

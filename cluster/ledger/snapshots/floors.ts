import { decode, encode } from 'cborg'
import type { KeyValue, Write } from '../../../src/journal/key-value.ts'
import { type FeedId, type Frontier, type Lane, type OpId, parseFeedId } from '../../../src/journal/op.ts'
import { FLOORS, floorKey } from '../layout.ts'

/** How much of a lane's log is not here: of each feed what comes before that entry. */
export interface Floor {
  /** The op whose rows stand for what is gone; null where the lane was dropped for its age. */
  readonly snapshot: OpId | null
  /** Of the snapshot's bytes: the op itself may count for nothing any more, once its author is put out. */
  readonly digest?: string
  readonly frontier: Frontier
}

/** From where on each lane's log is here. */
export class Floors {
  readonly #store: KeyValue
  readonly #floors = new Map<Lane, Floor>()

  constructor(store: KeyValue) {
    this.#store = store
  }

  async open(): Promise<void> {
    for await (const [key, row] of this.#store.range(FLOORS)) {
      this.#floors.set(key.slice(FLOORS.gte.length) as Lane, decode(row) as Floor)
    }
  }

  of(lane: Lane): Floor | undefined {
    return this.#floors.get(lane)
  }

  all(): ReadonlyMap<Lane, Floor> {
    return this.#floors
  }

  /** The first entry of the feed that is here, unless it has none; 1 where nothing has been pruned. */
  at(feed: FeedId): number {
    return this.#floors.get(parseFeedId(feed).lane)?.frontier[feed] ?? 1
  }

  /** What makes a floor durable, for a batch of somebody else's; `set` follows it. */
  write(lane: Lane, floor: Floor): Write {
    return { type: 'put', key: floorKey(lane), value: encode(floor) }
  }

  forget(lane: Lane): void {
    this.#floors.delete(lane)
  }

  set(lane: Lane, floor: Floor): void {
    this.#floors.set(lane, floor)
  }
}

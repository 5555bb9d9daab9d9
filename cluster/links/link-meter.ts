import type { Journal, TableChange } from '../../src/journal/journal.ts'
import { op } from '../../src/journal/kinds.ts'
import { type Lane, TENANT } from '../../src/journal/op.ts'
import type { LinkUseRow } from '../../src/journal/rows.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import { TELL_BYTES, TELL_INTERVAL_MS } from './limits.ts'
import { monthOf } from './link-state.ts'

export interface LinkMeterComponents {
  readonly journal: Pick<Journal, 'node' | 'tables' | 'commit' | 'onChange'>
  readonly clock: Clock
  readonly timers: Timers
  readonly logger: Logger
}

/** What went over a link this month. */
export interface LinkUse {
  /** Bytes, both ways. */
  used(link: string): number
  /** Bytes this node gave or got. */
  count(link: string, way: keyof LinkUseRow, bytes: number): void
}

const NONE: LinkUseRow = { sent: 0, received: 0 }

/**
 * Counts what goes over each link, month by month. Every node's own count is a record of the month's trail, written
 * now and then, never for one transfer: it only grows, so that it is counted once however it travels, and survives
 * the node. What a node had not told yet when it died the other end of the link has counted.
 */
export class LinkMeter implements LinkUse, Startable {
  readonly #parts: LinkMeterComponents
  /** By month, link and node. */
  readonly #rows = new Map<string, Map<string, Map<string, LinkUseRow>>>()
  /** Bytes not told yet, by month and link. */
  readonly #untold = new Map<string, Map<string, number>>()
  #unfollow = () => {}
  #callOff = () => {}
  #telling: Promise<void> = Promise.resolve()
  #running = false

  constructor(parts: LinkMeterComponents) {
    this.#parts = parts
  }

  async start(): Promise<void> {
    const { journal, clock } = this.#parts
    this.#unfollow = journal.onChange((changes) => this.#learn(changes))
    const prefix = `${monthOf(clock.now())}\u0000`
    for await (const { key, row } of journal.tables.list('linkUse', { prefix })) this.#raise(key, row)
    this.#running = true
    this.#arm()
  }

  async stop(): Promise<void> {
    this.#running = false
    this.#callOff()
    this.#unfollow()
    this.#tell()
    await this.#telling
  }

  /** The greater of what all gave and what all got: one end of a transfer may not have told yet. */
  used(link: string): number {
    const nodes = this.#rows.get(monthOf(this.#parts.clock.now()))?.get(link)
    if (!nodes) return 0
    let [sent, received] = [0, 0]
    for (const row of nodes.values()) {
      sent += row.sent
      received += row.received
    }
    return Math.max(sent, received)
  }

  count(link: string, way: keyof LinkUseRow, bytes: number): void {
    const { journal, clock } = this.#parts
    const month = monthOf(clock.now())
    const nodes = this.#nodes(month, link)
    const own = nodes.get(journal.node) ?? NONE
    nodes.set(journal.node, { ...own, [way]: own[way] + bytes })
    const untold = within(this.#untold, month)
    const amount = (untold.get(link) ?? 0) + bytes
    untold.set(link, amount)
    if (this.#running && amount >= TELL_BYTES && amount - bytes < TELL_BYTES) this.#tell()
  }

  #nodes(month: string, link: string): Map<string, LinkUseRow> {
    return within(within(this.#rows, month), link)
  }

  #arm(): void {
    if (!this.#running) return
    this.#callOff = this.#parts.timers.after(TELL_INTERVAL_MS, () => {
      this.#forget()
      this.#tell()
      this.#arm()
    })
  }

  /** One after the other: a count that was told may be raised while it is written. */
  #tell(): void {
    this.#telling = this.#telling.then(async () => {
      for (const [month, links] of this.#untold) {
        if (links.size > 0) await this.#write(month, new Map(links))
      }
    })
  }

  async #write(month: string, told: ReadonlyMap<string, number>): Promise<void> {
    const { journal, logger } = this.#parts
    const ops = [...told.keys()].map((link) => {
      const own = this.#nodes(month, link).get(journal.node) ?? NONE
      return op('link.counted', { link, ...own }, 'node')
    })
    try {
      await journal.commit(`trail/${TENANT}/${month}` as Lane, () => ops)
    } catch (error) {
      // It counts on, and tells it the next time; a node that may write nothing leaves it to the other end.
      logger.debug({ err: error }, 'links: the bytes counted could not be written down')
      return
    }
    const untold = within(this.#untold, month)
    for (const [link, amount] of told) {
      const left = (untold.get(link) ?? 0) - amount
      if (left > 0) untold.set(link, left)
      else untold.delete(link)
    }
  }

  #learn(changes: readonly TableChange[]): void {
    for (const { table, key, row } of changes) {
      if (table !== 'linkUse') continue
      if (row) this.#raise(key, row as LinkUseRow)
      else this.#drop(key)
    }
  }

  /** Its own count is ahead of what it told. */
  #raise(key: string, { sent, received }: LinkUseRow): void {
    const [month = '', link = '', node = ''] = key.split('\u0000')
    if (month < monthOf(this.#parts.clock.now())) return
    const nodes = this.#nodes(month, link)
    const known = node === this.#parts.journal.node ? (nodes.get(node) ?? NONE) : NONE
    nodes.set(node, { sent: Math.max(known.sent, sent), received: Math.max(known.received, received) })
  }

  #drop(key: string): void {
    const [month = '', link = '', node = ''] = key.split('\u0000')
    if (node !== this.#parts.journal.node) this.#rows.get(month)?.get(link)?.delete(node)
  }

  /** Months that are over, once they are told. */
  #forget(): void {
    const month = monthOf(this.#parts.clock.now())
    for (const old of this.#rows.keys()) {
      if (old >= month || (this.#untold.get(old)?.size ?? 0) > 0) continue
      this.#rows.delete(old)
      this.#untold.delete(old)
    }
  }
}

function within<K, L, V>(map: Map<K, Map<L, V>>, key: K): Map<L, V> {
  let inner = map.get(key)
  if (!inner) map.set(key, (inner = new Map()))
  return inner
}

import type { Journal, Tables } from '../../src/journal/journal.ts'
import { op } from '../../src/journal/kinds.ts'
import { AUTHORITY, type NewOp } from '../../src/journal/op.ts'
import type { NetworkKeyRow } from '../../src/journal/rows.ts'
import type { OnBehalf } from '../../src/registry/topology.ts'
import type { Clock } from '../../src/runtime/clock.ts'
import type { Logger } from '../../src/runtime/logger.ts'
import type { Random } from '../../src/runtime/random.ts'
import type { SealKey } from '../../src/runtime/sealing.ts'
import type { Startable } from '../../src/runtime/startable.ts'
import type { Timers } from '../../src/runtime/timers.ts'
import { NETWORK_KEY_RETRY_MS, NETWORK_KEY_WINDOW_MS, ONE_OF_MANY_MS, TIMER_MS_MAX } from '../limits.ts'
import { type Keyring, WIRE_KEY_BYTES } from '../network/keyring.ts'
import type { NodeId } from '../network/network.ts'
import {
  isPlaced,
  isWithdrawn,
  type LiveKey,
  liveKeys,
  type NetworkKey,
  networkKeyName,
  withdraw,
  withKey,
  withoutExpired,
} from './network-keys.ts'
import type { Roster } from './roster.ts'

export interface RotationInit {
  /** As they were kept last. */
  readonly keys: readonly NetworkKey[]
  /** Durable when it resolves. */
  readonly keep: (keys: readonly NetworkKey[]) => Promise<void>
}

export interface RotationParts {
  readonly journal: Pick<Journal, 'node' | 'cluster' | 'tables' | 'commit' | 'onChange'>
  readonly keyring: Keyring
  readonly sealKey: SealKey
  /** @throws Fault SEAL_KEY_INVALID */
  readonly seal: (secret: Uint8Array, publicKey: string, about: string) => Uint8Array
  readonly roster: Roster
  readonly clock: Clock
  readonly random: Random
  readonly timers: Timers
  readonly log: Logger
}

/**
 * Changes the key of the private wire, and keeps up when another member does. The new key travels as a record,
 * sealed to every member that stays; both are good for a window, so that whoever is cut off at that moment
 * comes back by the old one and finds the new one among the records. A key whose record counts no more is dialled
 * with no more: who put it in use may have had no right to. Owns `network.key` and the network keys of the keyring.
 */
export class KeyRotation implements Startable {
  readonly #keep: RotationInit['keep']
  readonly #parts: RotationParts
  #keys: readonly NetworkKey[]
  /** One change at a time, written before it counts. */
  #turn: Promise<void> = Promise.resolve()
  #stopping = new AbortController()
  #unfollow = () => {}
  #callOff = () => {}
  #callOffAgain = () => {}

  constructor({ keys, keep }: RotationInit, parts: RotationParts) {
    this.#keep = keep
    this.#keys = keys
    this.#parts = parts
  }

  async start(): Promise<void> {
    this.#stopping = new AbortController()
    const { journal } = this.#parts
    this.#unfollow = journal.onChange((changes) => {
      for (const { table, key, row } of changes) {
        if (table !== 'networkKeys') continue
        this.#inTurn(() => (row ? this.#apply(row as NetworkKeyRow) : this.#withdraw(key)))
      }
    })
    // What was on record when this node was stopped between the record and the file.
    await this.#takeUp()
    this.#inTurn(async () => {})
    await this.#turn
  }

  async stop(): Promise<void> {
    this.#unfollow()
    this.#callOff()
    this.#callOffAgain()
    this.#stopping.abort()
    await this.#turn
  }

  /** All that is on record, and nothing that is not any more. */
  async #takeUp(): Promise<void> {
    const { tables } = this.#parts.journal
    for await (const { row } of tables.list('networkKeys')) this.#inTurn(() => this.#apply(row))
    for (const { name, rank } of this.#keys) {
      if (rank && isTakenBack(tables, rank.id)) this.#inTurn(() => this.#withdraw(name))
    }
    this.#inTurn(async () => {
      const [current] = this.live()
      if (current && isWithdrawn(current))
        void this.#renew(ONE_OF_MANY_MS, () => this.live()[0]?.name === current.name)
    })
  }

  /** The keys of now, the one in use first: what a newcomer is given. */
  live(): LiveKey[] {
    return liveKeys(this.#keys, this.#parts.clock.now())
  }

  /** @returns the new key's name */
  async rotate(by: OnBehalf): Promise<string> {
    const fresh = this.prepare()
    await this.#parts.journal.commit(AUTHORITY, (tables) => {
      by.permit(tables)
      return [fresh.record(tables, by.actor)]
    })
    return fresh.name
  }

  /**
   * A new key, sealed to all who belong now.
   * @param without who is about to be put out
   */
  prepare(without?: NodeId): { name: string; record(tables: Pick<Tables, 'get'>, actor: string): NewOp } {
    const { journal, random, roster, seal, log } = this.#parts
    const key = random.bytes(WIRE_KEY_BYTES)
    const name = networkKeyName(key)
    const sealed = new Map<NodeId, Uint8Array>()
    for (const { id, sealKey } of roster.members()) {
      if (id === without || sealKey === null || !roster.isMember(id)) continue
      try {
        sealed.set(id, seal(key, sealKey, aboutKey(journal.cluster, id, name)))
      } catch (error) {
        log.error({ member: id, error }, 'the new network key cannot be sealed to this member')
      }
    }
    return {
      name,
      record(tables, actor) {
        const stays = [...sealed].filter(([id]) => tables.get('nodes', id)?.state === 'member')
        return op('network.key-rotated', { key: name, sealed: Object.fromEntries(stays) }, actor)
      },
    }
  }

  async #apply(row: NetworkKeyRow): Promise<void> {
    const { journal, sealKey, clock, log } = this.#parts
    const rank = { depth: row.depth, id: row.id }
    const known = this.#keys.find(({ name }) => name === row.key)
    if (known && isPlaced(known, rank)) return
    const sealed = row.sealed[journal.node]
    const key = known?.key ?? (sealed && this.#open(row, sealed, sealKey))
    if (!known && !key) {
      log.warn({ key: row.key, author: row.author }, 'the network key was changed without this node')
      void this.#renew(ONE_OF_MANY_MS, () => this.#isLeftOut(row.key))
      return
    }
    const deadline = clock.now() + NETWORK_KEY_WINDOW_MS
    await this.#install(withKey(this.#keys, { name: row.key, key: key ?? null, rank, until: null }, deadline))
    log.info({ key: row.key, author: row.author }, 'the network key has changed')
    if (row.author !== journal.node)
      void this.#renew(0, () => this.#leavesMineOut(row) && this.live()[0]?.name === row.key)
  }

  /** Others that had taken it up do the same; who was let in meanwhile may know no other key. */
  async #withdraw(name: string): Promise<void> {
    const { clock, log } = this.#parts
    const known = this.#keys.find((one) => one.name === name)
    if (!known || isWithdrawn(known)) return
    await this.#install(withdraw(this.#keys, name, clock.now() + NETWORK_KEY_WINDOW_MS))
    log.warn({ key: name }, 'a change of the network key counts no more')
    const [current] = this.live()
    void this.#renew(0, () => this.live()[0]?.name === current?.name)
  }

  #open(row: NetworkKeyRow, sealed: Uint8Array, sealKey: SealKey): Uint8Array | undefined {
    const { journal, log } = this.#parts
    try {
      const key = sealKey.open(sealed, aboutKey(journal.cluster, journal.node, row.key))
      if (key.length === WIRE_KEY_BYTES && networkKeyName(key) === row.key) return key
      log.error({ key: row.key, author: row.author }, 'the new network key is not the one its record names')
    } catch (error) {
      log.error({ key: row.key, author: row.author, error }, 'the new network key cannot be opened')
    }
    return undefined
  }

  /** Whom this node let in while another, unaware of that, changed the key: only this node knows to tell them. */
  #leavesMineOut({ sealed }: NetworkKeyRow): boolean {
    const { journal, roster } = this.#parts
    return roster
      .members()
      .some(
        ({ id, admittedBy, sealKey }) =>
          admittedBy === journal.node && sealKey !== null && roster.isMember(id) && !(id in sealed),
      )
  }

  /** The key is on record, and whoever let this node in has not seen to it that it gets one. */
  #isLeftOut(name: string): boolean {
    const { tables } = this.#parts.journal
    return tables.get('networkKeys', name) !== undefined && !this.#keys.some((one) => one.name === name)
  }

  /** One more change, so that all who belong get the same key: unless somebody has made it by then. */
  async #renew(afterMs: number, isNeeded: () => boolean): Promise<void> {
    const { journal, roster, random, timers, log } = this.#parts
    const { signal } = this.#stopping
    const may = () => roster.isMember(journal.node) && roster.get(journal.node)?.role === 'anchor'
    if (!isNeeded()) return
    try {
      await timers.sleep(afterMs + random.integer(ONE_OF_MANY_MS), signal)
      if (isNeeded() && may()) await this.rotate({ actor: 'node', permit: () => {} })
    } catch (error) {
      if (!signal.aborted) log.warn({ error }, 'not every member could be told the same network key')
    }
  }

  async #expire(): Promise<void> {
    const { clock, timers } = this.#parts
    const now = clock.now()
    if (this.#keys.some(({ key, until }) => key !== null && until !== null && until <= now))
      await this.#install(withoutExpired(this.#keys, now))
    this.#callOff()
    const ends = this.#keys.flatMap(({ key, until }) => (key === null || until === null ? [] : until))
    if (ends.length === 0 || this.#stopping.signal.aborted) return
    const waitMs = Math.min(TIMER_MS_MAX, Math.max(0, Math.min(...ends) - now) + 1)
    this.#callOff = timers.after(waitMs, () => this.#inTurn(async () => {}))
  }

  async #install(keys: readonly NetworkKey[]): Promise<void> {
    await this.#keep(keys)
    this.#keys = keys
    this.#parts.keyring.replace(this.live().map(({ key }) => key))
  }

  /** Nobody else tells it of the record once more. */
  #tryAgain(): void {
    const { timers, log } = this.#parts
    this.#callOffAgain()
    if (this.#stopping.signal.aborted) return
    this.#callOffAgain = timers.after(NETWORK_KEY_RETRY_MS, () => {
      this.#takeUp().catch((error: unknown) => {
        log.error({ error }, 'the network keys on record could not be read')
        this.#tryAgain()
      })
    })
  }

  #inTurn(task: () => Promise<void>): void {
    this.#turn = this.#turn
      .then(task)
      // It may have brought a deadline.
      .then(() => this.#expire())
      .catch((error: unknown) => {
        this.#parts.log.error({ error }, 'the network keys could not be written')
        this.#tryAgain()
      })
  }
}

/** Refused since, or gone with a fork. */
function isTakenBack(tables: Pick<Tables, 'get'>, op: string): boolean {
  return Boolean(tables.get('ineffective', `authority/${op}`) ?? tables.get('retracted', op))
}

function aboutKey(cluster: string, node: NodeId, name: string): string {
  return `network-key/${cluster}/${node}/${name}`
}

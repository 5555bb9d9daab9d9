import { PARKED_BLOCKS_MAX, PARKED_BYTES_MAX } from '../../cluster/limits.ts'
import { isAdmin } from '../../src/journal/effective.ts'
import type { Lie } from './hostile.ts'
import type { Nemesis } from './nemesis.ts'
import type { SimNode } from './node.ts'
import type { Oracle } from './oracle.ts'
import { owed } from './owed.ts'
import type { Population } from './population.ts'
import type { RecoveryKey } from './recovery.ts'
import type { SortedRows } from './sorted-rows.ts'
import type { Workload } from './workload.ts'
import { describe, type World } from './world/world.ts'

/** Those that are gone among them. */
export const NODES_EVER_MAX = 10
/** Long enough for a snapshot to be written, vouched for and pruned behind. */
export const LULL_MS: readonly [number, number] = [600, 1800]
/** A member that was cut off, or sent what was corrupted on its way, is asked again within five minutes. */
const CONVERGED_MS_MAX = 6 * 60_000
const CHECK_EVERY_MS = 200

export interface SettlingParts {
  readonly world: World
  readonly oracle: Oracle
  readonly nemesis: Nemesis
  readonly workload: Workload
  readonly population: Population
  readonly recovery: RecoveryKey
  /** Lanes are snapshotted and pruned. */
  readonly keeping: boolean
  /** Somebody is asked for something. */
  ask(): void
  readonly liar: () => SimNode | undefined
  tell(liar: SimNode, lie: Lie): void
}

/** How a run ends. */
export class Settling {
  readonly #parts: SettlingParts
  /** A node's disk as it once was. */
  #backup: { readonly node: SimNode; readonly rows: SortedRows } | undefined

  constructor(parts: SettlingParts) {
    this.#parts = parts
  }

  /** All faults end; within a bounded time everybody agrees, and every promise has been kept. */
  async settle(): Promise<void> {
    const { world, oracle, keeping } = this.#parts
    await this.#converge()
    if (keeping && world.random.chance(0.7)) {
      await this.#comeLate()
      await this.#converge()
    }
    await this.#recover()
    oracle.holdBounds(this.#owed(), { blocks: PARKED_BLOCKS_MAX, bytes: PARKED_BYTES_MAX })
    if (world.violation) return
    try {
      await oracle.holdFinally(this.#owed())
    } catch (error) {
      world.fail('what is on disk can be read', describe(error))
    }
  }

  /**
   * A fork or an old disk may have taken back what made the last administrator; that is what the recovery key is for.
   * Where there was neither, somebody has to be left without it.
   */
  async #recover(): Promise<void> {
    const { world, workload, recovery, oracle } = this.#parts
    if (oracle.signedBlocks.forked.size === 0 && oracle.relapsed.size === 0) return
    const [node] = this.#owed()
    const { tables } = node?.journal ?? {}
    if (!node || !tables || world.violation) return
    const rows = workload.users.flatMap((user) => tables.get('users', user) ?? [])
    const [someone] = rows.filter(({ deleted }) => !deleted)
    if (!someone || rows.some(isAdmin)) return
    await world.until(workload.recover(node, someone.id, recovery))
    await this.#converge()
  }

  /** Somebody joins, or comes back from an old backup, where much has been written down and let go of. */
  async #comeLate(): Promise<void> {
    const { world, nemesis, population } = this.#parts
    const { random } = world
    await world.rest(random.between(...LULL_MS))
    const liar = this.#parts.liar()
    if (liar?.up && !liar.gone && random.chance(0.7)) {
      this.#parts.tell(liar, 'false-snapshot')
      await world.rest(random.between(...LULL_MS))
    }
    const [sponsor] = random.sample(this.#owed(), 1)
    if (!sponsor?.up) return
    if (this.#backup && random.chance(0.6)) {
      world.note(`${this.#backup.node.name} comes back from an old backup`)
      if (!this.#backup.node.hostile) nemesis.putBack(this.#backup.node, this.#backup.rows)
    }
    if (random.chance(0.7) && population.nodes.length < NODES_EVER_MAX) {
      world.note(`${sponsor.name} admits late`)
      population.join(sponsor).catch(() => {})
    }
    for (let n = 0; n < 6; n++) {
      await world.rest(random.between(20, 300))
      this.#parts.ask()
    }
  }

  /** Keeps the disk of one of these for later, or the one it has. */
  backUp(up: readonly SimNode[]): void {
    const { random } = this.#parts.world
    if (up.length === 0 || (this.#backup && random.chance(0.7))) return
    const node = random.pick(up)
    this.#backup = { node, rows: node.disk.rows.copy() }
  }

  async #converge(): Promise<void> {
    const { world, nemesis, oracle, population } = this.#parts
    const { nodes } = population
    const untilMs = world.nowMs + CONVERGED_MS_MAX
    nemesis.healAll(nodes)
    let wait: string | undefined = 'not looked at yet'
    while (wait !== undefined && !world.violation && world.nowMs < untilMs) {
      const lookMs = world.nowMs + CHECK_EVERY_MS
      world.schedule(CHECK_EVERY_MS, 'look', () => {})
      await world.run(() => world.nowMs >= lookMs)
      // A fault that was under way may have crashed a node again.
      if (nodes.some(({ up, gone }) => !up && !gone)) nemesis.healAll(nodes)
      else wait = oracle.notYet(this.#owed())
    }
    if (wait !== undefined) world.fail('I10 nodes agree soon after all faults are over', wait)
  }

  #owed(): SimNode[] {
    return owed(this.#parts.population.nodes)
  }
}

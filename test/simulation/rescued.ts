import type { Admissions } from './admissions.ts'
import { type Acknowledged, lostAcknowledged } from './checkers/acknowledged.ts'
import type { SignedBlocks } from './checkers/signed-blocks.ts'
import type { SimNode } from './node.ts'
import type { NodeLogs } from './node-logs.ts'

/** What a node acknowledged and forgot is not lost while another remembers it. */
export class Rescued {
  readonly #logs: NodeLogs
  readonly #signedBlocks: SignedBlocks
  readonly #admissions: Admissions
  readonly #rescued: { readonly at: Acknowledged; readonly holders: Set<string> }[] = []

  constructor(logs: NodeLogs, signedBlocks: SignedBlocks, admissions: Admissions) {
    this.#admissions = admissions
    this.#logs = logs
    this.#signedBlocks = signedBlocks
  }

  /** @param acknowledged what the node had promised before it forgot */
  add(node: SimNode, acknowledged: readonly Acknowledged[], others: readonly SimNode[]): void {
    for (const { holders } of this.#rescued) holders.delete(node.id)
    for (const at of acknowledged) {
      const knowing = others.filter(
        (one) => !one.hostile && this.#logs.hashHeld(one, at.feed, at.seq) === at.hash,
      )
      this.#rescued.push({ at, holders: new Set(knowing.map(({ id }) => id)) })
    }
  }

  /** What the node lacks of it though one of the members had it. */
  lostAt(node: SimNode, members: readonly SimNode[]): string | undefined {
    const isOwed = ({ at, holders }: { at: Acknowledged; holders: ReadonlySet<string> }) =>
      !this.#signedBlocks.forked.has(at.feed) &&
      !this.#admissions.isDisowned(node, at.feed) &&
      members.some(({ id }) => holders.has(id))
    const owed = this.#rescued.filter(isOwed).map(({ at }) => at)
    return lostAcknowledged(owed, (feed, seq) => this.#logs.hashHeld(node, feed, seq))
  }
}

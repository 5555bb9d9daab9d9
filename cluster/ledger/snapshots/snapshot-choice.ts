import { historyOf } from '../../../src/journal/authority/history.ts'
import type { Tables } from '../../../src/journal/journal.ts'
import type { Dot, Lane } from '../../../src/journal/op.ts'
import type { SnapshotRow } from '../../../src/journal/rows.ts'
import { SNAPSHOT_SIGNERS_MIN } from '../../limits.ts'
import type { NodeId } from '../../network/network.ts'

/** Members, as the tables have them. */
export interface Fleet {
  /** All whose word about records is asked for: state `member`. */
  readonly members: readonly NodeId[]
  /** Those that may sign a snapshot. */
  readonly anchors: ReadonlySet<NodeId>
}

export async function fleetOf(tables: Tables): Promise<Fleet> {
  const members: NodeId[] = []
  const anchors = new Set<NodeId>()
  for await (const { row } of tables.list('nodes')) {
    if (row.state !== 'member') continue
    members.push(row.id)
    if (row.role === 'anchor') anchors.add(row.id)
  }
  return { members, anchors }
}

/** The lane's snapshots, the newest first. */
export async function snapshotsOf(tables: Tables, lane: Lane): Promise<SnapshotRow[]> {
  const rows: SnapshotRow[] = []
  for await (const { row } of tables.list('snapshots')) if (row.lane === lane) rows.push(row)
  return rows.sort((a, b) => b.depth - a.depth || (a.id < b.id ? -1 : 1))
}

/** The ops of others that vouch for it, as far as they count. */
export function attestationsOf(tables: Pick<Tables, 'get'>, { id }: SnapshotRow): Dot[] {
  return historyOf(tables, `snapshot:${id}`).flatMap(({ kind, refused, dot }) =>
    kind === 'lane.attested' && refused === null ? [dot] : [],
  )
}

/**
 * Whether enough members that still belong say the same: two, or all there are.
 * @param asker its own word does not count where it is the one that needs the snapshot
 */
export function isAttested(snapshot: SnapshotRow, { anchors }: Fleet, asker?: NodeId): boolean {
  const others = [...anchors].filter((node) => node !== asker)
  const signers = new Set(snapshot.signers.filter((node) => node !== asker && anchors.has(node)))
  return signers.size >= Math.max(1, Math.min(SNAPSHOT_SIGNERS_MIN, others.length))
}

/** Whether a newcomer, and any member that comes back from an old backup, would find it vouched for by enough others. */
export function isGoodForAll(snapshot: SnapshotRow, fleet: Fleet): boolean {
  if (!isAttested(snapshot, fleet)) return false
  return fleet.members.length < 2 || fleet.members.every((member) => isAttested(snapshot, fleet, member))
}

/** Whether the blob of that digest is a snapshot somebody signed. */
export async function isSnapshot(tables: Tables, digest: string): Promise<boolean> {
  for await (const { row } of tables.list('snapshots')) if (row.digest === digest) return true
  return false
}

import type { LaneFacts, SnapshotFacts } from '../../../src/registry/topology.ts'
import type { Clock } from '../../../src/runtime/clock.ts'
import type { BlockFormat } from '../block-format.ts'
import type { ReplicatedJournal } from '../replicated-journal.ts'
import { snapshotsOf } from './snapshot-choice.ts'

/** What an operator may want to know of each lane. */
export async function laneFacts(
  journal: ReplicatedJournal,
  format: Pick<BlockFormat, 'read'>,
  clock: Clock,
): Promise<LaneFacts[]> {
  const facts: LaneFacts[] = []
  for (const { lane, entries, logBytes, pruned } of journal.lanes.status()) {
    facts.push({
      lane,
      entries,
      prunedEntries: pruned.entries,
      logBytes,
      snapshot: await newest(journal, format, clock, lane),
    })
  }
  return facts
}

async function newest(
  journal: ReplicatedJournal,
  format: Pick<BlockFormat, 'read'>,
  clock: Clock,
  lane: LaneFacts['lane'],
): Promise<SnapshotFacts | null> {
  const [row] = await snapshotsOf(journal.tables, lane)
  if (!row) return null
  const { dot, digest, bytes, signers } = row
  const block = journal.lanes.blockAt(dot.feed, dot.seq)
  // By its author's clock; the authority lane is kept, so the entry is here.
  const time = block ? (await format.read(block, journal.cluster)).entry.time : clock.now()
  return { digest, bytes, signers, ageMs: Math.max(0, clock.now() - time) }
}

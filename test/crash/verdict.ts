import { join } from 'node:path'
import { decodeBlock, ofLane } from '../../cluster/ledger/layout.ts'
import { CATALOG, type Frontier, feedOf, opId } from '../../src/journal/op.ts'
import { blocksOf, carry, from1, type Member, openMember } from './member.ts'
import type { Acknowledged, Phase } from './phase.ts'
import { readRecord } from './record.ts'
import { type Facts, tagKey, tagOp } from './scene.ts'
import type { Stage } from './stage.ts'

/** Ids of all ops in those blocks. */
function idsIn({ format }: Member, blocks: readonly Uint8Array[]): Set<string> {
  return new Set(
    blocks.flatMap((block) => {
      const entry = format.entryOf(block)
      const dot = { feed: feedOf(entry), seq: entry.seq }
      return entry.ops.map((_, index) => opId({ ...dot, index }))
    }),
  )
}

/** Blocks that wait behind a lane that is to be fetched again: durable, if not in their place. */
async function asideOf({ store }: Member): Promise<Uint8Array[]> {
  const blocks: Uint8Array[] = []
  for await (const [, row] of store.range(ofLane('aside', CATALOG))) blocks.push(decodeBlock(row).bytes)
  return blocks
}

/** What is held beyond doubt: in a log, aside, or as a row of a table. */
async function lossesAt(
  node: Member,
  facts: Facts,
  acknowledged: readonly Acknowledged[],
  aside: readonly Uint8Array[],
): Promise<string[]> {
  const frontier = node.journal.frontier()
  const floor = node.journal.lanes.floor(CATALOG)?.frontier ?? {}
  const stored = Object.entries(frontier).map(([feed, to]) => ({ feed, from: floor[feed] ?? 1, to }))
  const ids = idsIn(node, [...(await blocksOf(node, stored)), ...aside])
  return acknowledged.flatMap((what) => {
    if ('joined' in what) return []
    if ('frontier' in what) return behind(frontier, what.frontier)
    const row = what.tag !== undefined && node.journal.tables.get('tags', tagKey(facts, what.tag))
    return what.ids.filter((id) => !ids.has(id) && !row).map((id) => `lost: ${what.tag ?? id}`)
  })
}

function behind(frontier: Frontier, said: Frontier): string[] {
  return Object.entries(said)
    .filter(([feed, seq]) => (frontier[feed] ?? 0) < seq)
    .map(([feed, seq]) => `lost: ${feed} ended at ${seq}, now at ${frontier[feed] ?? 0}`)
}

/**
 * What is wrong with what a crash left, in words; nothing when all promises hold. Uses the members up: they
 * exchange what they have and write on.
 */
export async function faultsOf(
  { node, other, fresh }: { node: Member; other: Member; fresh: Member },
  phase: Pick<Phase, 'finish'>,
  facts: Facts,
  acknowledged: readonly Acknowledged[],
): Promise<string[]> {
  await node.journal.settled()
  const found = await lossesAt(node, facts, acknowledged, await asideOf(node))
  await phase.finish?.(node.journal)
  const stood = { frontier: node.journal.frontier(), hash: node.journal.stateHash() }
  await carry(node, other)
  await phase.finish?.(other.journal)
  await fresh.journal.take(await blocksOf(other, from1(stood.frontier)), 'other')
  await fresh.journal.settled()
  await phase.finish?.(fresh.journal)
  if (fresh.journal.stateHash() !== stood.hash) found.push('the same entries give other records')
  await carry(other, node)
  const { ids } = await node.journal.commit(CATALOG, () => [tagOp(facts, 'goes-on')])
  await carry(node, other)
  await carry(other, node)
  if (node.journal.stateHash() !== other.journal.stateHash()) found.push('the members do not come to agree')
  if (node.journal.position().digest !== other.journal.position().digest) found.push('their logs differ')
  const said = [...acknowledged, { ids, tag: 'goes-on' }]
  for (const member of [node, other]) {
    const gone = await lossesAt(member, facts, said, [])
    found.push(...gone.map((what) => `after the exchange, ${what}`))
  }
  const { refused, forks } = other.journal.status()
  if (Object.keys(refused).length + forks.length > 0) found.push(`refused: ${JSON.stringify(refused)}`)
  return found
}

export interface Judgement {
  readonly faults: readonly string[]
  /** How many acknowledged ops and frontiers were looked for. */
  readonly acknowledged: number
}

/** Opens what a crash left of a stage's node. A store that cannot be opened is a fault like any other. */
export async function judgeNode(
  directory: string,
  stage: Pick<Stage, 'facts' | 'phase' | 'judges'>,
): Promise<Judgement> {
  const { acknowledged } = readRecord(directory)
  const count = acknowledged.reduce((sum, what) => sum + ('ids' in what ? what.ids.length : 1), 0)
  const { facts, phase } = stage
  const opened: Member[] = []
  try {
    const node = await openMember(join(directory, 'node'), facts.clusterId)
    opened.push(node)
    const { other, fresh } = await stage.judges()
    opened.push(other, fresh)
    return { acknowledged: count, faults: await faultsOf({ node, other, fresh }, phase, facts, acknowledged) }
  } catch (error) {
    const fault = `could not go on: ${error instanceof Error ? error.stack : String(error)}`
    return { acknowledged: count, faults: [fault] }
  } finally {
    for (const member of opened) await member.close()
  }
}

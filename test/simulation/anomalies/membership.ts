import { historyOf } from '../../../src/journal/authority/history.ts'
import { isAdmin } from '../../../src/journal/effective.ts'
import { op } from '../../../src/journal/kinds.ts'
import { AUTHORITY, CATALOG, type Frontier, type Op, reaches } from '../../../src/journal/op.ts'
import { catalogAt, DIGESTS, movesTag } from './content.ts'
import { HASH, NODES, recoveryOp, userOp } from './founding.ts'
import { counts, wrote } from './rights.ts'
import type { Site } from './site.ts'
import { type Act, type Anomaly, type Outcome, promised, saw } from './variant.ts'

const [, B] = NODES

const recovers: Act = ({ people: { root }, site, pick }) => {
  const epoch = (site.tables.get('users', root)?.password.epoch ?? 0) + 1 + (pick % 2)
  return [AUTHORITY, recoveryOp(root, epoch)]
}

export const recovered: Anomaly = {
  number: 20,
  name: 'a cluster is recovered with its recovery key',
  acts: [
    recovers,
    // Somebody without the key.
    ({ people: { dave } }) => [
      AUTHORITY,
      op(
        'cluster.recovered',
        { user: dave, passwordHash: HASH, epoch: 9, signature: new Uint8Array(64) },
        dave,
      ),
    ],
    ({ people: { root, alice } }) => [AUTHORITY, op('user.admin-set', { user: root, admin: false }, alice)],
    ({ people: { root, alice } }) => [
      AUTHORITY,
      op('user.password-set', { user: root, passwordHash: HASH, epoch: 2 }, alice),
    ],
    ({ people: { root, alice } }) => [AUTHORITY, op('user.admin-set', { user: alice, admin: false }, root)],
  ],
  promise: (outcome) => {
    const { root, dave } = outcome.people
    const demotions = wrote(outcome, 'user.admin-set', { user: root }).filter((one) => counts(outcome, one))
    const recoveries = wrote(outcome, 'cluster.recovered', { user: root })
    const row = outcome.tables.get('users', root)
    promised(row !== undefined, 'the account is there')
    const last = recoveries.some((one) => demotions.every((demotion) => saw(one, demotion)))
    promised(!last || isAdmin(row), 'whatever was taken from it, a recovered account is an administrator')
    const epochs = recoveries.map((one) => (one.body as { epoch: number }).epoch)
    promised(row.password.epoch >= Math.max(1, ...epochs), 'the password before is none any more')
    const other = outcome.tables.get('users', dave)
    promised(other !== undefined && !isAdmin(other), 'nobody is recovered without the key')
  },
}

/** Of B's feeds, what a site may hold the common part of two faces to be. */
function cutAt(site: Site, pick: number): Record<string, number> {
  const cut: Record<string, number> = {}
  for (const [feed, seq] of Object.entries(site.sequencer.frontier())) {
    const kept = seq - (pick % 3)
    if (feed.endsWith(`@${B}`) && kept > 0) cut[feed] = kept
  }
  return cut
}

const evictsB =
  (compromised: boolean): Act =>
  ({ site, pick, people: { root } }) => {
    if (site.node === B) return undefined
    const frontier = compromised ? cutAt(site, pick) : null
    const actor = pick % 2 ? root : 'node'
    return [AUTHORITY, op('node.evicted', { node: B, compromised, frontier, reason: '' }, actor)]
  }
const pushesAtB: Act = (here) => (here.site.node === B ? movesTag(here) : undefined)
const decidesAtB: Act = ({ site, pick }) =>
  site.node === B ? [AUTHORITY, userOp(`b-${pick}`, 300 + pick, pick % 2 === 0, 'node')] : undefined

interface Eviction {
  readonly compromised: boolean
  readonly frontier: Frontier | null
}

function evictions(outcome: Outcome): Op[] {
  return wrote(outcome, 'node.evicted', { node: B }).filter((one) => counts(outcome, one))
}

function isWithin(eviction: Op, one: Op): boolean {
  const { frontier } = eviction.body as Eviction
  return frontier ? reaches(frontier, one.dot) : saw(eviction, one)
}

export const twoFaced: Anomaly = {
  number: 21,
  name: 'a two-faced node is evicted with the frontier both faces share',
  acts: [pushesAtB, pushesAtB, decidesAtB, evictsB(true), evictsB(false)],
  steps: 9,
  promise: (outcome) => {
    const evicted = evictions(outcome)
    const state = outcome.tables.get('nodes', B)?.state
    promised((state === 'evicted') === evicted.length > 0, 'who is evicted stays so')
    for (const one of outcome.ops.filter(({ author }) => author === B)) {
      const content = one.kind === 'tag.moved'
      const killed = evicted.some((eviction) => {
        if (!content) return !isWithin(eviction, one)
        return saw(one, eviction) || ((eviction.body as Eviction).compromised && !isWithin(eviction, one))
      })
      promised(
        counts(outcome, one) === !killed,
        content
          ? 'a graceful eviction leaves pushes alone, one of a compromised node cuts all beyond its frontier'
          : 'nothing an evicted node decided beyond what is accepted of it counts',
      )
    }
  },
}

const snapshots: Act = ({ site }) => {
  const frontier = catalogAt(site)
  if (Object.keys(frontier).length === 0) return undefined
  const authority = Object.fromEntries(
    Object.entries(site.sequencer.frontier()).filter(([feed]) => feed.startsWith('authority@')),
  )
  const body = {
    lane: CATALOG,
    frontier,
    authority,
    stateHash: site.tables.hashOf('catalog'),
    digest: DIGESTS[0],
    bytes: 1,
  }
  return [AUTHORITY, op('lane.snapshotted', body, 'node')]
}

/** Another's, or its own: only the former says anything. */
const attests: Act = ({ site, pick }) => {
  const known = historyOf(site.tables, `lane:${CATALOG}`)
  const chosen = known[pick % Math.max(1, known.length)]
  return chosen && [AUTHORITY, op('lane.attested', { snapshot: chosen.id }, 'node')]
}

export const compaction: Anomaly = {
  number: 23,
  name: 'a lane is compacted behind a snapshot',
  acts: [
    pushesAtB,
    pushesAtB,
    snapshots,
    attests,
    ({ site, people: { root }, pick }) =>
      site.node === B
        ? undefined
        : [
            AUTHORITY,
            op(
              'node.evicted',
              { node: B, compromised: true, frontier: {}, reason: '' },
              pick % 2 ? root : 'node',
            ),
          ],
    movesTag,
  ],
  steps: 9,
  promise: (outcome) => {
    const evicted = evictions(outcome)
    for (const one of wrote(outcome, 'lane.snapshotted')) {
      const row = outcome.tables.get('snapshots', one.id)
      promised((row !== undefined) === counts(outcome, one), 'a snapshot that counts is known to all')
      if (row) promised(row.signers[0] === one.author, 'by whom it was made')
      const words = wrote(outcome, 'lane.attested').filter(
        ({ author, body }) => author !== B && (body as { snapshot: string }).snapshot === one.id,
      )
      const { frontier } = one.body as { frontier: Frontier }
      for (const push of wrote(outcome, 'tag.moved').filter(({ dot }) => reaches(frontier, dot))) {
        const spared = evicted.every(
          (eviction) => saw(eviction, one) && (one.author !== B || words.some((word) => saw(eviction, word))),
        )
        promised(
          !spared || counts(outcome, push),
          'what lies within a snapshot that is known is never decided again',
        )
      }
    }
    for (const one of outcome.ops.filter(
      ({ author, dot }) => author === B && dot.feed.startsWith('authority'),
    )) {
      promised(
        outcome.entries.some(({ author, seq }) => author === B && seq === one.dot.seq),
        'the history of rights is kept',
      )
    }
  },
}

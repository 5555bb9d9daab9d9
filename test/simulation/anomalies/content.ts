import { isPublic } from '../../../src/journal/effective.ts'
import { op } from '../../../src/journal/kinds.ts'
import {
  AUTHORITY,
  byDepthThenId,
  CATALOG,
  type Frontier,
  type NewOp,
  type Op,
  reaches,
  VERDICTS,
} from '../../../src/journal/op.ts'
import type { ImmutabilityRule } from '../../../src/journal/rows.ts'
import type { Digest } from '../../../src/oci/digest.ts'
import { NODES } from './founding.ts'
import { counts, wrote } from './rights.ts'
import type { Site } from './site.ts'
import { type Act, type Anomaly, type Outcome, promised, saw } from './variant.ts'

export const DIGESTS = ['a', 'b', 'c', 'd'].map((c) => `sha256:${c.repeat(64)}`) as [
  Digest,
  Digest,
  Digest,
  Digest,
]
const TAGS = ['latest', 'v1']

function digestOf(pick: number): Digest {
  return DIGESTS[pick % DIGESTS.length] as Digest
}

export const movesTag: Act = ({ people: { shop, erin }, pick }) => [
  CATALOG,
  op(
    'tag.moved',
    { projectId: shop, path: 'app', tag: TAGS[pick % 2] as string, digest: digestOf(pick) },
    erin,
  ),
]
export const deletesTag: Act = ({ people: { shop, erin }, pick }) => [
  CATALOG,
  op('tag.deleted', { projectId: shop, path: 'app', tag: TAGS[pick % 2] as string }, erin),
]

function tagRow({ tables, people: { shop } }: Outcome, tag: string) {
  return tables.get('tags', `${shop}/app\u0000${tag}`)
}

/** What was done to a tag; a removal that found nothing is none. */
function tagOps(outcome: Outcome, tag: string): Op[] {
  const moves = wrote(outcome, 'tag.moved', { tag })
  const removals = wrote(outcome, 'tag.deleted', { tag }).filter((one) =>
    moves.some((move) => saw(one, move)),
  )
  return [...moves, ...removals]
}

export const movedTag: Anomaly = {
  number: 12,
  name: 'a tag is moved at two sites',
  acts: [movesTag, movesTag, deletesTag],
  promise: (outcome) => {
    for (const tag of TAGS) {
      const ops = tagOps(outcome, tag)
      const living = ops
        .filter(({ kind }) => kind === 'tag.moved')
        .filter((one) => !ops.some((later) => saw(later, one)))
        .sort((a, b) => byDepthThenId(b, a))
      const values = tagRow(outcome, tag)?.values ?? []
      promised(
        values.map(({ id }) => id).join() === living.map(({ id }) => id).join(),
        'no tag move that nobody had seen is lost, and the winner is the same everywhere',
      )
      for (const { value } of values) {
        const key = `${outcome.people.shop}/app\u0000${value}\u0000${tag}`
        promised(outcome.tables.get('tagged', key) !== undefined, 'who lost is found by its digest')
      }
    }
  },
}

/** The catalog as a site knows it, as a door puts it into a rule. */
export function catalogAt(site: Site): Record<string, number> {
  return Object.fromEntries(
    Object.entries(site.sequencer.frontier()).filter(([feed]) => feed.startsWith('catalog/')),
  )
}

const setsRule =
  (mode: 'off' | 'strict' | 'available'): Act =>
  ({ people: { shop, carol }, site, pick }) => [
    AUTHORITY,
    op(
      'immutability.set',
      {
        project: shop,
        mode,
        home: mode === 'strict' ? (NODES[pick % 3] as string) : null,
        frontier: catalogAt(site),
      },
      carol,
    ),
  ]

/** The rules that hold an op fast. */
function bindingRules(outcome: Outcome, one: Op): readonly ImmutabilityRule[] {
  const rules = outcome.tables.get('projects', outcome.people.shop)?.immutability ?? []
  const seen = (rule: ImmutabilityRule) => reaches(one.past, rule.dot)
  return rules.filter(
    (rule) =>
      rule.mode !== 'off' &&
      !reaches(rule.frontier, one.dot) &&
      !rules.some((later) => seen(later) && later.replaces.includes(rule.id)),
  )
}

export const immutableTwice: Anomaly = {
  number: 13,
  name: 'an immutable tag is set at two sites',
  acts: [movesTag, movesTag, setsRule('strict'), setsRule('available'), deletesTag],
  steps: 8,
  promise: (outcome) => {
    for (const tag of TAGS) {
      const bound = tagOps(outcome, tag).filter((one) => bindingRules(outcome, one).length > 0)
      const standing = bound.filter((one) => counts(outcome, one))
      promised(standing.length <= 1, 'an immutable tag is set once')
      for (const one of standing) {
        promised(one.kind === 'tag.moved', 'and never removed')
        for (const rule of bindingRules(outcome, one)) {
          promised(rule.mode !== 'strict' || rule.home === one.author, 'strict: at its home only')
        }
      }
      for (const one of bound.filter((other) => !standing.includes(other))) {
        promised(
          outcome.ineffective(one)?.reason === 'immutable',
          'what came second is listed, never lost silently',
        )
      }
    }
  },
}

const opensShop =
  (open: boolean): Act =>
  ({ people: { shop, carol, erin }, pick }) => [
    AUTHORITY,
    op(
      'project.metadata-set',
      { project: shop, metadata: { public: String(open) } },
      pick % 2 ? carol : erin,
    ),
  ]

export const tightening: Anomaly = {
  number: 14,
  name: 'a rule is tightened at one site while another does what it forbids',
  acts: [movesTag, deletesTag, setsRule('available'), setsRule('off'), opensShop(true), opensShop(false)],
  steps: 8,
  promise: (outcome) => {
    for (const tag of TAGS) {
      const ops = tagOps(outcome, tag)
      const valueWithin = (frontier: Frontier) => {
        const within = ops.filter(
          (one) => reaches(frontier, one.dot) && bindingRules(outcome, one).length === 0,
        )
        return within.some((one) => one.kind === 'tag.moved' && !within.some((later) => saw(later, one)))
      }
      for (const one of ops) {
        for (const rule of bindingRules(outcome, one)) {
          const forbidden =
            one.kind === 'tag.deleted' ||
            (bindingRules(outcome, one).length === 1 && valueWithin(rule.frontier))
          promised(!forbidden || !counts(outcome, one), 'tightening a rule beats concurrent use')
        }
      }
    }
    const row = outcome.tables.get('projects', outcome.people.shop)
    const said = wrote(outcome, 'project.metadata-set').filter((one) => counts(outcome, one))
    const living = said.filter((one) => !said.some((later) => saw(later, one)))
    const open =
      living.length > 0 &&
      living.every((one) => (one.body as { metadata: { public: string } }).metadata.public === 'true')
    promised(
      row !== undefined && isPublic(outcome.tables, row) === open,
      'private beats public where both were said',
    )
  },
}

export function manifestOp(shop: string, actor: string, digest: Digest, references: Digest[] = []): NewOp {
  const facts = {
    mediaType: 'application/vnd.oci.image.manifest.v1+json',
    size: 2,
    artifactType: null,
    subject: null,
    annotations: {},
  }
  return op('manifest.put', { projectId: shop, path: 'app', digest, ...facts, references }, actor)
}

export const deleteAgainstPush: Anomaly = {
  number: 15,
  name: 'a manifest is deleted at one site while another pushes what refers to it',
  acts: [
    ({ people: { shop, erin }, pick }) => {
      const [digest, layer] = [digestOf(pick), digestOf(pick + 1)]
      const place = { projectId: shop, path: 'app' }
      return [
        CATALOG,
        op('blob.linked', { ...place, digest: layer, size: 7 }, erin),
        manifestOp(shop, erin, digest, [layer]),
        op('tag.moved', { ...place, tag: 'latest', digest }, erin),
      ]
    },
    ({ people: { shop, erin }, pick }) => [
      CATALOG,
      op('manifest.deleted', { projectId: shop, path: 'app', digest: digestOf(pick) }, erin),
    ],
    ({ people: { shop, erin }, pick }) => [
      CATALOG,
      op('blob.unlinked', { projectId: shop, path: 'app', digest: digestOf(pick) }, erin),
    ],
  ],
  promise: (outcome) => {
    const { tables, people } = outcome
    for (const [puts, removal, table] of [
      ['manifest.put', 'manifest.deleted', 'manifests'],
      ['blob.linked', 'blob.unlinked', 'links'],
    ] as const) {
      for (const digest of DIGESTS) {
        const removals = wrote(outcome, removal, { digest })
        const survives = wrote(outcome, puts, { digest }).some(
          (put) => !removals.some((one) => saw(one, put)),
        )
        const row = tables.get(table, `${people.shop}/app\u0000${digest}`)
        promised(
          (row !== undefined) === survives,
          'a delete never breaks what somebody else pushed at the same time',
        )
        const holder = tables.get('holders', `${digest}\u0000${people.shop}/app`)
        promised(table !== 'links' || (holder !== undefined) === survives, 'and its bytes are held for it')
      }
    }
  },
}

const SEVERITIES = ['none', 'low', 'high', 'critical'] as const

export const twoScanners: Anomaly = {
  number: 24,
  name: 'two scanners find different things in one image',
  acts: [
    ({ pick }) => {
      const severity = SEVERITIES[pick % 4] as (typeof SEVERITIES)[number]
      const found = {
        digest: digestOf(pick % 2),
        scanner: pick % 3 ? 'one' : 'two',
        database: `2026-0${1 + (pick % 2)}`,
      }
      return [
        VERDICTS,
        op('verdict.recorded', { ...found, severity, counts: { [severity]: 1 }, report: null }, 'node'),
      ]
    },
  ],
  promise: (outcome) => {
    for (const one of wrote(outcome, 'verdict.recorded')) {
      const { digest, scanner, database, severity } = one.body as Record<string, string>
      const row = outcome.tables.get('verdicts', `${digest}\u0000${scanner}\u0000${database}`)
      promised(
        row?.found.some(({ id, value }) => id === one.id && value.severity === severity) === true,
        'no finding takes another’s place, so the worst is there to be asked for',
      )
    }
  },
}

const movesQuota: Act = ({ people: { shop }, pick }) => [
  AUTHORITY,
  op('quota.moved', { project: shop, to: NODES[pick % 3] as string, bytes: 1 + pick * 9 }, 'node'),
]
const setsQuota: Act = ({ people: { shop, root }, pick }) => [
  AUTHORITY,
  op('quota.set', { project: shop, limit: 50 + (pick % 3) * 50 }, root),
]

export const overspending: Anomaly = {
  number: 11,
  name: 'a quota is spent at several sites at once',
  acts: [setsQuota, movesQuota, movesQuota, movesQuota],
  steps: 9,
  promise: (outcome) => {
    const { shop } = outcome.people
    const row = outcome.tables.get('quotas', shop)
    const sets = wrote(outcome, 'quota.set')
    promised((row !== undefined) === sets.length > 0, 'a limit that was set is there')
    if (!row) return
    const living = sets.filter((one) => !sets.some((later) => saw(later, one)))
    const limits = living.map((one) => (one.body as { limit: number }).limit)
    promised(row.limit === Math.min(...limits), 'of several limits the lowest holds')
    const rights = Object.values(row.rights)
    promised(
      rights.every((bytes) => bytes >= 0),
      'nobody gives away what is not there',
    )
    promised(
      rights.reduce((sum, bytes) => sum + bytes, 0) === row.limit,
      'what all may spend is the limit, never more',
    )
  },
}

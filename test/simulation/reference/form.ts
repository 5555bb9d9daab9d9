import { createPublicKey, verify } from 'node:crypto'
import { clusterIdOf, readGenesis, recoveryMessage } from '../../../src/journal/genesis.ts'
import { isKind, kinds } from '../../../src/journal/kinds.ts'
import {
  byDepthThenId,
  type FeedName,
  type Frontier,
  familyOf,
  hasSeen,
  isLane,
  type Op,
  parseFeedId,
} from '../../../src/journal/op.ts'
import type { Reason } from '../../../src/journal/rows.ts'
import { type Formed, is } from './formed.ts'

/** Everything ops in form have made, by what it is called. */
export class Made {
  readonly #makers = new Map<string, Formed[]>()

  add(op: Formed): void {
    const name = madeBy(op)
    if (name === undefined) return
    const makers = this.#makers.get(name)
    if (makers) makers.push(op)
    else this.#makers.set(name, [op])
  }

  /** What made it and was seen by `op`. */
  seenBy(op: Op, name: string): readonly Formed[] {
    return (this.#makers.get(name) ?? []).filter((maker) => hasSeen(op, maker.dot))
  }

  /** The invite an admission redeems: its author's own. */
  inviteOf(op: Formed<'node.admitted'>): Formed<'invite.created'> | undefined {
    return this.seenBy(op, `invite:${op.body.invite}`)
      .filter((maker): maker is Formed<'invite.created'> => maker.author === op.author)
      .sort(byDepthThenId)[0]
  }

  /** The admissions an approval is good for. */
  approvedBy(op: Formed<'node.approved'>): Formed<'node.admitted'>[] {
    return this.seenBy(op, `node:${op.body.node}`).filter((one): one is Formed<'node.admitted'> => {
      const invite = is(one, 'node.admitted') && one.body.invite !== null ? this.inviteOf(one) : undefined
      if (!invite?.body.approval) return false
      return invite.actor !== op.actor
    })
  }
}

function madeBy(op: Formed): string | undefined {
  switch (op.kind) {
    case 'cluster.founded':
      return 'cluster'
    case 'user.created':
      return `user:${op.id}`
    case 'project.created':
      return `project:${op.id}`
    case 'lane.snapshotted':
      return `snapshot:${op.id}`
    case 'invite.created':
      return `invite:${op.body.invite}`
    case 'node.admitted':
      return `node:${op.body.node}`
    case 'node.evicted':
      return `end:${op.body.node}`
    case 'node.left':
      return `end:${op.author}`
    default:
      return undefined
  }
}

/** Step 0: why the op can never count, whatever else arrives; undefined where it may. */
export function formFault(op: Op, made: Made): Extract<Reason, 'unknown' | 'form'> | undefined {
  if (!isKind(op.kind) || kinds[op.kind].version !== op.version) return 'unknown'
  const { family, body } = kinds[op.kind]
  if (familyOf(parseFeedId(op.dot.feed).lane) !== family || !body.safeParse(op.body).success) return 'form'
  const formed = op as Formed
  return names(formed).every((name) => made.seenBy(op, name).length > 0) && fits(formed, made)
    ? undefined
    : 'form'
}

/** The things a body names that somebody must have made. */
function names(op: Formed): string[] {
  const body = op.body as Readonly<Record<string, unknown>>
  const found: string[] = []
  for (const [field, kind] of Object.entries(NAMING)) {
    const value = body[field]
    const makes =
      (op.kind === 'node.admitted' && field === 'node') ||
      (op.kind === 'invite.created' && field === 'invite')
    if (typeof value === 'string' && !makes) found.push(`${kind}:${value}`)
  }
  return found
}

const NAMING: Readonly<Record<string, string>> = {
  user: 'user',
  owner: 'user',
  project: 'project',
  node: 'node',
  to: 'node',
  home: 'node',
  invite: 'invite',
  snapshot: 'snapshot',
}

/** Whether a frontier names feeds of that sort only. */
function onlyOf(frontier: Frontier, fits: (feed: FeedName) => boolean): boolean {
  return Object.keys(frontier).every((feed) => fits(parseFeedId(feed)))
}

function fits(op: Formed, made: Made): boolean {
  switch (op.kind) {
    case 'cluster.founded':
      return (
        clusterIdOf(op.body.genesis) === op.cluster &&
        founderIn(op.body.genesis) === op.author &&
        made.seenBy(op, 'cluster').length === 0
      )
    case 'cluster.recovered':
      return made
        .seenBy(op, 'cluster')
        .some((founding) => is(founding, 'cluster.founded') && recoverySigned(op, founding.body.genesis))
    case 'node.admitted':
      return op.body.invite === null
        ? isFounding(op, made) && made.seenBy(op, `node:${op.author}`).length === 0
        : made.inviteOf(op) !== undefined && made.seenBy(op, `end:${op.body.node}`).length === 0
    case 'invite.created':
    case 'invite.withdrawn': {
      const own = made.seenBy(op, `invite:${op.body.invite}`).some(({ author }) => author === op.author)
      return own === (op.kind === 'invite.withdrawn')
    }
    case 'node.approved':
      return made.approvedBy(op).length > 0
    case 'node.announced':
    case 'node.left':
      return op.actor === 'node' && made.seenBy(op, `node:${op.author}`).length > 0
    case 'node.evicted':
      return op.body.frontier === null
        ? !op.body.compromised
        : onlyOf(op.body.frontier, ({ author }) => author === op.body.node)
    case 'immutability.set':
      return (
        (op.body.mode !== 'strict' || op.body.home !== null) &&
        onlyOf(op.body.frontier, ({ lane }) => familyOf(lane) === 'catalog')
      )
    case 'lane.snapshotted':
      return (
        isLane(op.body.lane) &&
        op.body.lane !== 'authority' &&
        onlyOf(op.body.frontier, ({ lane }) => lane === op.body.lane) &&
        onlyOf(op.body.authority, ({ lane }) => lane === 'authority')
      )
    default:
      return true
  }
}

/** The founder's admission of itself. */
export function isFounding(op: Formed, made: Made): boolean {
  if (!is(op, 'node.admitted')) return is(op, 'cluster.founded')
  return (
    op.body.invite === null &&
    op.body.node === op.author &&
    made.seenBy(op, 'cluster').some((founding) => founding.author === op.author)
  )
}

function founderIn(genesis: Uint8Array): string | undefined {
  try {
    return readGenesis(genesis).founder
  } catch {
    return undefined
  }
}

function recoverySigned(op: Formed<'cluster.recovered'>, genesis: Uint8Array): boolean {
  try {
    const x = Buffer.from(readGenesis(genesis).recovery).toString('base64url')
    const key = createPublicKey({ key: { kty: 'OKP', crv: 'Ed25519', x }, format: 'jwk' })
    return verify(null, recoveryMessage({ cluster: op.cluster, ...op.body }), key, op.body.signature)
  } catch {
    return false
  }
}

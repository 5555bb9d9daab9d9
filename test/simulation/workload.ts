import { hash } from 'node:crypto'
import { decide } from '../../src/access/decide.ts'
import { type Acting, NODE_ITSELF } from '../../src/access/principal.ts'
import { Fault } from '../../src/errors.ts'
import { isAdmin, membershipOf } from '../../src/journal/effective.ts'
import type { Tables } from '../../src/journal/journal.ts'
import { op } from '../../src/journal/kinds.ts'
import { AUTHORITY, CATALOG, type NewOp } from '../../src/journal/op.ts'
import type { RoleId } from '../../src/journal/rows.ts'
import { parseDigest } from '../../src/oci/digest.ts'
import { parseRepositoryName } from '../../src/oci/name.ts'
import { parseTag } from '../../src/oci/reference.ts'
import type { SimNode } from './node.ts'
import { RecoveryKey } from './recovery.ts'
import type { SeededRandom } from './world/random.ts'

/** What clients do, and how often; rights change far more than in real life, for that is where faults hide. */
export const REQUESTS = {
  push: 16,
  retag: 10,
  untag: 8,
  'delete-manifest': 8,
  unlink: 3,
  grant: 14,
  revoke: 10,
  'set-role': 5,
  'set-admin': 8,
  promote: 4,
  demote: 2,
  oust: 2,
  'create-user': 6,
  'delete-user': 3,
  'set-profile': 3,
  'set-password': 4,
  'create-project': 4,
  'delete-project': 2,
  'set-public': 4,
  announce: 2,
  unknown: 2,
  approve: 4,
  recover: 1,
  'recover-falsely': 1,
  'rotate-key': 1,
}
export type Request = keyof typeof REQUESTS

/** A court where everybody makes others great. */
const INTRIGUE: Readonly<Partial<Record<Request, number>>> = {
  promote: 12,
  demote: 6,
  grant: 4,
  'set-profile': 3,
}
/** Few may decide, and each wants to be rid of the others: only there the last one is ever at stake. */
const RIVALRY: Readonly<Partial<Record<Request, number>>> = {
  promote: 6,
  oust: 10,
  grant: 3,
  push: 3,
  'set-profile': 2,
}
/** Images come and go, and nothing else happens. */
const TRADE: Readonly<Partial<Record<Request, number>>> = {
  push: 10,
  retag: 8,
  untag: 8,
  'delete-manifest': 8,
  unlink: 4,
}

/** A chain long enough for whatever goes along chains; how long deciding takes grows steeply with it. */
const PROMOTIONS_MAX = 4

/** Another cluster's. */
const STRANGE_KEY = new RecoveryKey(9)

const ROLES: readonly RoleId[] = [1, 2, 3, 4, 5]
const PASSWORD = 'Simulated-0'
/** Few, so that sites get into each other's way; some fold to the same, some are not ASCII. */
const USER_NAMES = [
  'alice',
  'Alice',
  'bob',
  'carol',
  'dave',
  'eve',
  'zoë',
  '\u{1f980}',
  '__proto__',
  'constructor',
]
const PROJECT_NAMES = ['apps', 'base', 'web', 'db', 'tools']
const TAGS = ['latest', 'v1', 'v2', 'edge']
const IMAGES = 6

interface Image {
  readonly digest: string
  readonly bytes: Uint8Array
  readonly parts: readonly string[]
}

/** The clients of all nodes: what they know is what they once made, at whatever site. */
export class Workload {
  readonly users: string[] = []
  readonly projects: string[] = []
  #promoted = 0
  readonly #random: SeededRandom
  readonly #key: RecoveryKey
  readonly #images: readonly Image[]
  #weights: Readonly<Partial<Record<Request, number>>>

  /** @param key the cluster's recovery key */
  constructor(random: SeededRandom, key: RecoveryKey) {
    this.#random = random
    this.#key = key
    this.#images = Array.from({ length: IMAGES }, (_, n) => image(n))
    // Each run has favourites: what is rare on average is frequent somewhere.
    const favour = (weight: number) => weight * random.pick([0, 0.5, 1, 1, 2, 5])
    const weights = Object.entries(REQUESTS).map(([request, weight]) => [request, favour(weight)])
    this.#weights = { ...REQUESTS, ...(Object.fromEntries(weights) as Record<Request, number>) }
    const [intrigue, trade, rivalry] = [random.chance(0.15), random.chance(0.15), random.chance(0.08)]
    if (intrigue) this.#weights = INTRIGUE
    else if (trade) this.#weights = TRADE
    else if (rivalry) this.#weights = RIVALRY
  }

  /** The cluster's first administrator and project. */
  async lay(node: SimNode): Promise<void> {
    const { accounts, projects } = doorsOf(node)
    const admin = await accounts.create(
      { name: 'admin', password: PASSWORD, admin: true, number: 1 },
      NODE_ITSELF,
    )
    this.users.push(admin.id)
    const project = await projects.create({ name: 'library', number: 1 }, admin.id, NODE_ITSELF)
    this.projects.push(project.id)
  }

  next(): Request {
    return this.#random.weighted(this.#weights as Record<Request, number>)
  }

  /** @throws Fault where the node refuses; anything else is a defect */
  async request(what: Request, node: SimNode): Promise<void> {
    const random = this.#random
    const { accounts, projects, members } = doorsOf(node)
    const { tables } = node.journal as NonNullable<SimNode['journal']>
    const user = random.pick(this.users)
    const project = random.pick(this.projects)
    const by = this.#acting(tables, project)
    switch (what) {
      case 'create-user': {
        const account = { name: random.pick(USER_NAMES), password: PASSWORD, admin: random.chance(0.3) }
        this.users.push((await accounts.create(account, by)).id)
        return
      }
      case 'delete-user':
        return accounts.delete(user, by)
      case 'set-admin':
        return accounts.setAdmin(user, random.chance(0.5), by)
      case 'promote':
        return this.#promote(node)
      case 'demote': {
        // By the one who has been in office longest, for whom he may.
        const [senior, ...juniors] = this.users.filter((one) => isBoss(tables, one))
        if (senior === undefined || juniors.length === 0) throw new Fault('NOT_FOUND', 'there is nobody')
        return accounts.setAdmin(random.pick(juniors), false, acting(senior))
      }
      case 'oust':
        return this.#oust(node)
      case 'set-profile':
        return accounts.setProfile(user, { comment: `${random.integer(100)}`, email: 'a@example.org' }, by)
      case 'set-password':
        return accounts.setPassword(user, `${PASSWORD}${random.integer(1000)}`, by)
      case 'create-project': {
        const created = await projects.create(
          { name: random.pick(PROJECT_NAMES) },
          random.pick(this.users),
          by,
        )
        this.projects.push(created.id)
        return
      }
      case 'delete-project':
        return projects.delete(project, by)
      case 'set-public':
        return projects.update(project, [['public', String(random.chance(0.5))]], by)
      case 'grant':
        await members.add(project, user, random.pick(ROLES), by)
        return
      case 'set-role':
      case 'revoke': {
        const held = membershipOf(tables, project, user)
        if (!held) throw new Fault('NOT_FOUND', 'there is no such member')
        const member = { ...held, userId: user, userNumber: 0, userName: '' }
        if (what === 'revoke') return members.remove(project, member, by)
        return members.setRole(project, member, random.pick(ROLES), by)
      }
      case 'announce':
        return this.#announce(node)
      case 'rotate-key':
        return this.#rotateKey(node)
      case 'approve':
        return this.#approve(node)
      case 'recover':
      case 'recover-falsely':
        return this.recover(node, user, what === 'recover' ? this.#key : STRANGE_KEY)
      case 'unknown': {
        // From a newer version that is being rolled out somewhere.
        const later: NewOp = {
          kind: 'quota.set',
          body: { project, bytes: random.integer(1000) },
          actor: by.actor,
        }
        const lane = random.pick([AUTHORITY, CATALOG])
        await node.journal?.commit(lane, () => [later]).catch(onlyRefusals)
        return
      }
      default:
        return this.#inRepository(what, node, by.actor)
    }
  }

  /**
   * An op a liar would like to take effect: mostly rights for somebody who has none.
   * @param tables what it may speak of; anything at all where there are none
   */
  wish(tables: Tables | undefined): NewOp {
    const random = this.#random
    const users = tables ? this.users.filter((user) => tables.get('users', user)) : this.users
    const projects = tables
      ? this.projects.filter((project) => tables.get('projects', project))
      : this.projects
    const user = random.pick(users)
    const project = random.pick(projects)
    const actor = random.pick(users)
    return random.pick([
      () => op('member.granted', { project, user, role: 1, number: 1 + random.integer(1000) }, actor),
      () => op('user.admin-set', { user, admin: true }, actor),
      () => op('user.admin-set', { user: actor, admin: true }, actor),
      () => op('member.revoked', { project, user }, actor),
    ])()
  }

  async #inRepository(what: Request, node: SimNode, actor: string): Promise<void> {
    const random = this.#random
    const { blobs, manifests, tags } = doorsOf(node)
    const name = parseRepositoryName(
      `${random.chance(0.7) ? 'library' : random.pick(PROJECT_NAMES)}/${random.chance(0.8) ? 'app' : 'lib/x'}`,
    )
    const tag = parseTag(random.pick(TAGS))
    const { digest, bytes, parts } = random.pick(this.#images)
    switch (what) {
      case 'push':
        await Promise.all(parts.map((part) => blobs.link(name, parseDigest(part), 10, actor)))
        await manifests.put(name, { bytes, contentType: undefined, tags: [tag] }, actor)
        return
      case 'retag':
        return tags.move(name, tag, parseDigest(digest), actor)
      case 'untag':
        return tags.delete(name, tag, actor)
      case 'delete-manifest':
        return manifests.delete(name, parseDigest(digest), actor)
      default:
        return blobs.delete(name, parseDigest(random.pick(parts)), actor)
    }
  }

  async #announce(node: SimNode): Promise<void> {
    const row = node.journal?.tables.get('nodes', node.id)
    if (!row) return
    const { name, site, tokenKey, sealKey } = row
    const url = `https://${this.#random.integer(100)}.example.org`
    const facts = { name, site, tokenKey, sealKey, url, addresses: [], swarm: [] }
    await node.up?.recorded.commit(AUTHORITY, () => [op('node.announced', { facts }, 'node')])
  }

  /** The second consent to whoever waits for it; now and then by the one who gave the first. */
  async #approve(node: SimNode): Promise<void> {
    const { tables } = node.journal as NonNullable<SimNode['journal']>
    const pending: string[] = []
    for await (const { row } of tables.list('nodes')) if (row.state === 'pending') pending.push(row.id)
    if (pending.length === 0) throw new Fault('NOT_FOUND', 'nobody waits')
    const by = this.sponsor(tables)
    await node.up?.acts.approve(this.#random.pick(pending), by)
  }

  /** By an administrator, or the operator at the machine. */
  async #rotateKey(node: SimNode): Promise<void> {
    const { tables } = node.journal as NonNullable<SimNode['journal']>
    await node.up?.rotation.rotate(this.sponsor(tables))
  }

  /** Whoever holds the recovery key makes somebody administrator again. */
  async recover(node: SimNode, user: string, key: RecoveryKey): Promise<void> {
    const { recovery } = doorsOf(node)
    const name = node.journal?.tables.get('users', user)?.name
    if (name === undefined) throw new Fault('NOT_FOUND', 'there is no such user')
    const challenge = await recovery.challenge(name, `${PASSWORD}recovered`)
    await recovery.recover(challenge, key.sign(challenge), NODE_ITSELF)
  }

  /** On whose behalf somebody is let in: an administrator, or the operator at the machine. */
  sponsor(tables: Tables): Acting {
    const bosses = this.users.filter((user) => isBoss(tables, user))
    return bosses.length === 0 || this.#random.chance(0.3) ? NODE_ITSELF : acting(this.#random.pick(bosses))
  }

  /** Chains of rights: the newest administrator makes another one. */
  async #promote(node: SimNode): Promise<void> {
    const { accounts } = doorsOf(node)
    const { tables } = node.journal as NonNullable<SimNode['journal']>
    const bosses = this.users.filter((user) => isBoss(tables, user))
    const actor = bosses.at(-1)
    if (actor === undefined || this.#promoted >= PROMOTIONS_MAX)
      throw new Fault('NOT_FOUND', 'there is none, or it is enough')
    this.#promoted++
    const plain = this.users.filter((user) => tables.get('users', user) && !isBoss(tables, user))
    if (plain.length > 3) return accounts.setAdmin(this.#random.pick(plain), true, acting(actor))
    const name = `${this.#random.pick(USER_NAMES)}${this.users.length}`
    this.users.push((await accounts.create({ name, password: PASSWORD, admin: true }, acting(actor))).id)
  }

  /** An administrator goes: of his own accord, by the hand of another one, or by the operator's at the machine. */
  async #oust(node: SimNode): Promise<void> {
    const random = this.#random
    const { accounts } = doorsOf(node)
    const { tables } = node.journal as NonNullable<SimNode['journal']>
    const bosses = this.users.filter((user) => isBoss(tables, user))
    if (bosses.length === 0) throw new Fault('NOT_FOUND', 'there is nobody')
    const [going, hand] = [random.pick(bosses), random.pick(bosses)]
    return accounts.setAdmin(going, false, random.pick([acting(going), acting(hand), NODE_ITSELF]))
  }

  /** Mostly somebody who may, as the tables of that node have it; now and then anybody, or the operator. */
  #acting(tables: Tables, project: string): Acting {
    const random = this.#random
    const able = this.users.filter(
      (user) => isBoss(tables, user) || membershipOf(tables, project, user)?.role === 1,
    )
    if (able.length === 0 || random.chance(0.03)) return NODE_ITSELF
    const actor = random.chance(0.9) ? random.pick(able) : random.pick(this.users)
    return {
      actor,
      permit(now) {
        const demand = { action: 'member:create', on: 'project', project } as const
        const allowed = isBoss(now, actor) || decide({ kind: 'user', id: actor }, demand, now).allow
        if (!allowed) throw new Fault('FORBIDDEN', 'they may not')
      },
    }
  }
}

function isBoss(tables: Pick<Tables, 'get'>, user: string): boolean {
  const row = tables.get('users', user)
  return row !== undefined && isAdmin(row)
}

/** In that user's name, as long as it is administrator. */
function acting(user: string): Acting {
  return {
    actor: user,
    permit(now) {
      if (!isBoss(now, user)) throw new Fault('FORBIDDEN', 'they may not')
    },
  }
}

function doorsOf(node: SimNode) {
  const { up } = node
  if (!up) throw new Fault('NODE_DOWN', 'the node is down')
  return up.doors
}

function onlyRefusals(error: unknown): void {
  if (!(error instanceof Fault)) throw error
}

function image(n: number): Image {
  const type = 'application/vnd.oci.image'
  const descriptor = (content: string, mediaType: string) => ({
    mediaType,
    digest: `sha256:${hash('sha256', content, 'hex')}`,
    size: 10,
  })
  const config = descriptor('config', `${type}.config.v1+json`)
  const layer = descriptor(`layer ${n % 3}`, `${type}.layer.v1.tar`)
  // Every third refers to another one, which may be there or not.
  const subject = n % 3 === 2 ? { subject: descriptor('elsewhere', `${type}.manifest.v1+json`) } : {}
  const text = JSON.stringify({
    schemaVersion: 2,
    mediaType: `${type}.manifest.v1+json`,
    config,
    layers: [layer],
    ...subject,
    annotations: { n: String(n) },
  })
  const bytes = new TextEncoder().encode(text)
  return { bytes, digest: `sha256:${hash('sha256', bytes, 'hex')}`, parts: [config.digest, layer.digest] }
}

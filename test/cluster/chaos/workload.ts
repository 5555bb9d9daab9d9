import { Caller } from './caller.ts'
import type { Account, ChaosCluster } from './cluster.ts'
import type { Call, History } from './history.ts'
import { pause } from './nemesis.ts'
import type { ChaosNode } from './node.ts'
import type { Seeded } from './seeded.ts'

const CLIENTS = 6
const THINK_MS = { from: 5, to: 60 }
const PROJECTS = 3
/** The first two are made administrators, and unmade. */
const DEPUTIES = 2
const USERS = 6
const TAGS = ['stable', 'next', 'v1', 'v2']
const ROLES = [1, 2, 3, 4]
const LAYER_BYTES_MAX = 32 * 1024

/** Rights more than anything: where others' tests end, ours begin. */
const STEPS = {
  push: 22,
  pull: 18,
  pullTag: 10,
  readProject: 12,
  takeToken: 4,
  grant: 9,
  revoke: 9,
  role: 2,
  setAdmin: 4,
  readAdmin: 4,
  readAccount: 3,
  createUser: 2,
  deleteUser: 2,
  createProject: 1,
  deleteProject: 1,
  deleteTag: 2,
  deleteManifest: 3,
}

interface Pushed {
  readonly node: string
  readonly project: string
  readonly repository: string
  readonly digest: string
  readonly blob: string
}

/** People at work: several clients, each mostly at one node, doing what their seed says. */
export class Workload {
  readonly label: string
  readonly users: Account[] = []
  readonly projects: string[] = []
  readonly pushed: Pushed[] = []
  readonly #cluster: ChaosCluster
  readonly #history: History
  readonly #random: Seeded
  #serial = 0

  /** @param parts.label in every name, so that schedules on one cluster never meet */
  constructor(parts: { cluster: ChaosCluster; history: History; random: Seeded; label: string }) {
    this.#cluster = parts.cluster
    this.#history = parts.history
    this.#random = parts.random
    this.label = parts.label
  }

  get admin(): Account {
    return this.#cluster.admin
  }

  /** People and projects to start with, made at one node. */
  async setUp(): Promise<void> {
    const node = this.#random.pick(this.#cluster.nodes)
    const caller = new Caller('setup', this.#history, 20_000)
    const people = Array.from({ length: USERS }, () => this.#createUser(caller, node))
    await Promise.all(people)
    for (let index = 0; index < PROJECTS; index++) await this.#createProject(caller, node)
    for (const [index, user] of this.users.entries()) {
      if (index < DEPUTIES) await this.#setAdmin(caller, node, this.admin, user, true)
      else
        for (const project of this.projects.slice(0, 2))
          await this.#grant(caller, node, this.admin, user, project, 2)
    }
  }

  /** Works until `signal`. */
  async work(signal: AbortSignal): Promise<void> {
    await Promise.all(
      Array.from({ length: CLIENTS }, async (_, index) => {
        const random = this.#random.fork(`client ${index}`)
        const caller = new Caller(`client ${index}`, this.#history)
        const home = this.#cluster.nodes[index % this.#cluster.nodes.length] as ChaosNode
        while (!signal.aborted) {
          const node = random.chance(0.7) ? home : random.pick(this.#cluster.nodes)
          await this.#step(caller, node, random)
          await pause(random.between(THINK_MS.from, THINK_MS.to), signal)
        }
      }),
    )
  }

  async #step(caller: Caller, node: ChaosNode, random: Seeded): Promise<void> {
    const project = random.pick(this.projects)
    const repository = `${project}/${random.pick(['app', 'web'])}`
    const tag = random.pick(TAGS)
    const user = random.pick(this.users)
    const member = random.pick(this.users.slice(DEPUTIES))
    const deputy = random.pick(this.users.slice(0, DEPUTIES))
    const boss = random.chance(0.85) ? this.admin : deputy
    const anybody = random.chance(0.5) ? this.admin : user
    const bearer = random.chance(0.4)
    switch (random.weighted(STEPS)) {
      case 'push': {
        const layer = Buffer.alloc(random.between(16, LAYER_BYTES_MAX), `${this.label} ${this.#serial++} `)
        const call = await caller.push(node, anybody, { project, repository, tag }, layer)
        if (call?.outcome !== 'ok') return
        const { digest = '', blob = '' } = call.op
        this.pushed.push({ node: node.name, project, repository, digest, blob })
        return
      }
      case 'pull': {
        const here = this.pushed.filter((one) => one.node === node.name)
        const one = random.chance(0.6) && here.length > 0 ? random.pick(here) : this.pushed.at(-1)
        if (one) await this.pull(caller, node, random.chance(0.6) ? this.admin : user, one, bearer)
        return
      }
      case 'pullTag':
        await caller.registry(node, anybody, 'GET', { kind: 'read.tag', project, repository, tag }, bearer)
        return
      case 'readProject':
        return this.#readProject(caller, node, member, project)
      case 'takeToken':
        return caller.takeToken(node, member, repository)
      case 'grant':
        return this.#grant(caller, node, boss, member, project, random.pick(ROLES))
      case 'revoke':
        return this.#revoke(caller, node, boss, member, project, repository, tag)
      case 'role': {
        const id = await this.#memberId(caller, node, boss, project, member)
        const op = { kind: 'member.role', user: member.username, project, role: random.pick(ROLES) } as const
        if (id)
          await caller.api(node, boss, 'PUT', `/projects/${project}/members/${id}`, op, { role_id: op.role })
        return
      }
      case 'setAdmin': {
        const admin = random.chance(0.5)
        await this.#setAdmin(caller, node, this.admin, deputy, admin)
        if (!admin) await this.readAdmin(caller, node, deputy)
        return
      }
      case 'readAdmin':
        return this.readAdmin(caller, node, deputy)
      case 'readAccount':
        return this.readAccount(caller, node, user)
      case 'createUser':
        return this.#createUser(caller, node)
      case 'deleteUser': {
        // Never one of those everybody started with: there would soon be nobody left to work.
        if (this.users.length === USERS) return
        const gone = random.pick(this.users.slice(USERS))
        const id = await this.#userId(caller, node, this.admin, gone)
        if (!id) return
        await caller.api(node, this.admin, 'DELETE', `/users/${id}`, {
          kind: 'user.delete',
          user: gone.username,
        })
        return this.readAccount(caller, node, gone)
      }
      case 'createProject':
        return this.#createProject(caller, node)
      case 'deleteProject': {
        if (this.projects.length === PROJECTS) return
        const gone = random.pick(this.projects.slice(PROJECTS))
        await caller.api(node, this.admin, 'DELETE', `/projects/${gone}`, {
          kind: 'project.delete',
          project: gone,
        })
        return
      }
      case 'deleteTag':
        await caller.registry(node, this.admin, 'DELETE', { kind: 'tag.delete', project, repository, tag })
        return
      case 'deleteManifest': {
        const one = this.pushed.length > 0 ? random.pick(this.pushed) : undefined
        if (!one) return
        const op = {
          kind: 'manifest.delete',
          project: one.project,
          repository: one.repository,
          digest: one.digest,
        } as const
        await caller.registry(node, this.admin, 'DELETE', op)
        return
      }
      default:
    }
  }

  /** A manifest by its digest, and the blob it is of. @returns the last answer */
  async pull(caller: Caller, node: ChaosNode, who: Account, what: Pushed, bearer = false): Promise<Call> {
    const { project, repository, digest, blob } = what
    const manifest = { kind: 'read.manifest', project, repository, digest } as const
    const call = await caller.registry(node, who, 'GET', manifest, bearer)
    if (call.outcome !== 'ok') return call
    const layer = { kind: 'read.blob', project, repository, digest, blob } as const
    return caller.registry(node, who, 'GET', layer, bearer)
  }

  async readAdmin(caller: Caller, node: ChaosNode, who: Account): Promise<void> {
    await caller.api(node, who, 'GET', '/users?page_size=1', { kind: 'read.admin' })
  }

  async readAccount(caller: Caller, node: ChaosNode, who: Account): Promise<void> {
    await caller.api(node, who, 'GET', '/users/current', { kind: 'read.account' })
  }

  async #readProject(caller: Caller, node: ChaosNode, who: Account, project: string): Promise<void> {
    await caller.api(node, who, 'GET', `/projects/${project}`, { kind: 'read.project', project })
  }

  async #createUser(caller: Caller, node: ChaosNode): Promise<void> {
    const username = `u${this.label}x${this.#serial++}`
    const account = { username, password: `Correct-Horse-${username}` }
    const body = { ...account, email: `${username}@example.org`, realname: username }
    const { outcome } = await caller.api(
      node,
      this.admin,
      'POST',
      '/users',
      { kind: 'user.create', user: username },
      body,
    )
    if (outcome === 'ok') this.users.push(account)
  }

  async #createProject(caller: Caller, node: ChaosNode): Promise<void> {
    const project = `p${this.label}x${this.#serial++}`
    const body = { project_name: project, metadata: { public: 'false' } }
    const { outcome } = await caller.api(
      node,
      this.admin,
      'POST',
      '/projects',
      { kind: 'project.create', project },
      body,
    )
    if (outcome === 'ok') this.projects.push(project)
  }

  async #setAdmin(
    caller: Caller,
    node: ChaosNode,
    boss: Account,
    who: Account,
    admin: boolean,
  ): Promise<void> {
    const id = await this.#userId(caller, node, boss, who)
    if (!id) return
    const op = { kind: 'admin.set', user: who.username, admin } as const
    await caller.api(node, boss, 'PUT', `/users/${id}/sysadmin`, op, { sysadmin_flag: admin })
  }

  async #grant(caller: Caller, node: ChaosNode, boss: Account, who: Account, project: string, role: number) {
    const op = { kind: 'member.grant', user: who.username, project, role } as const
    const body = { role_id: role, member_user: { username: who.username } }
    await caller.api(node, boss, 'POST', `/projects/${project}/members`, op, body)
  }

  /** And straight away whether it holds: by password, and by a token from before. */
  async #revoke(
    caller: Caller,
    node: ChaosNode,
    boss: Account,
    who: Account,
    project: string,
    repository: string,
    tag: string,
  ): Promise<void> {
    const id = await this.#memberId(caller, node, boss, project, who)
    if (!id) return
    await caller.takeToken(node, who, repository)
    const op = { kind: 'member.revoke', user: who.username, project } as const
    await caller.api(node, boss, 'DELETE', `/projects/${project}/members/${id}`, op)
    await this.#readProject(caller, node, who, project)
    await caller.registry(node, who, 'GET', { kind: 'read.tag', project, repository, tag }, true)
  }

  #userId(caller: Caller, node: ChaosNode, boss: Account, who: Account): Promise<number | undefined> {
    return caller.find(node, boss, `/users?username=${who.username}`, 'username', who.username)
  }

  #memberId(caller: Caller, node: ChaosNode, boss: Account, project: string, who: Account) {
    const path = `/projects/${project}/members?entityname=${who.username}`
    return caller.find(node, boss, path, 'entity_name', who.username)
  }
}

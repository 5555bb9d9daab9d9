import { request } from 'node:http'
import { Accounts } from '../../src/access/accounts.ts'
import { layFoundations } from '../../src/access/foundations.ts'
import { CatchingUp } from '../../src/access/knowledge.ts'
import { LoginThrottle } from '../../src/access/login-throttle.ts'
import { Logins } from '../../src/access/logins.ts'
import { Passwords } from '../../src/access/passwords.ts'
import { NODE_ITSELF } from '../../src/access/principal.ts'
import { Recovery } from '../../src/access/recovery.ts'
import { RegistryDoor } from '../../src/access/registry-access.ts'
import { TokenIssuer, TokenVerifier } from '../../src/access/tokens.ts'
import { Conflicts } from '../../src/conflicts/conflicts.ts'
import { Repairs } from '../../src/conflicts/repairs.ts'
import { apiRoutes } from '../../src/http/api/api.ts'
import type { ApiParts } from '../../src/http/api/parts.ts'
import { Health } from '../../src/http/health/health.ts'
import { journalProbe, recordsProbe } from '../../src/http/health/probes.ts'
import { healthRoutes } from '../../src/http/health/routes.ts'
import { HttpServer, type RouteModule } from '../../src/http/server.ts'
import { tokenRoutes } from '../../src/http/token/routes.ts'
import { Members } from '../../src/projects/members.ts'
import { Projects } from '../../src/projects/projects.ts'
import type { PlacementView } from '../../src/registry/placement-view.ts'
import type { Topology } from '../../src/registry/topology.ts'
import { silentLogger } from '../../src/runtime/logger.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { systemTimers } from '../../src/runtime/timers.ts'
import { StorageWatch } from '../../src/store/storage-watch.ts'
import type { Site, Sites } from './sites.ts'

export const ADMIN_PASSWORD = 'Adm1n-of-the-test'

/** One node's rooms of access, projects and management, put together as the composition root does. */
export interface TestNode {
  readonly site: Site
  readonly passwords: Passwords
  readonly throttle: LoginThrottle
  readonly accounts: Accounts
  readonly logins: Logins
  readonly projects: Projects
  readonly members: Members
  readonly issuer: TokenIssuer
  readonly tokens: TokenVerifier
  readonly door: RegistryDoor
  readonly api: ApiParts
}

export function assemble(site: Site, { clock }: Sites, topology: Topology = obedient): TestNode {
  const random = systemRandom
  const { tables } = site
  const passwords = new Passwords({ random })
  const accounts = new Accounts({ journal: site, passwords, random })
  const throttle = new LoginThrottle({ clock })
  const logins = new Logins({ tables, passwords, throttle, clock, random })
  const projects = new Projects({ journal: site, random })
  const members = new Members({ journal: site, random })
  const tokens = new TokenVerifier({ journal: site, clock })
  const catchingUp = new CatchingUp({ journal: site, timers: systemTimers })
  const { store, directory } = site
  const directories = { journal: directory, blobs: directory }
  const storage = new StorageWatch({ store, directories, warnBelowBytes: 0 })
  const probes = [journalProbe(site), recordsProbe(storage)]
  const health = new Health({ probes, timers: systemTimers, clock, logger: silentLogger })
  return {
    site,
    passwords,
    throttle,
    accounts,
    logins,
    projects,
    members,
    issuer: new TokenIssuer({ journal: site, key: site.key, clock, random }),
    tokens,
    door: new RegistryDoor({ tables, logins, tokens, catchingUp }),
    api: {
      tables,
      accounts,
      logins,
      projects,
      members,
      recovery: new Recovery({ journal: site, passwords }),
      conflicts: new Conflicts({ tables }),
      repairs: new Repairs({ journal: site, accounts, projects, members }),
      topology,
      placement: nowhere,
      storage,
      health,
      clock,
      version: '0.0.0',
      externalUrl: null,
    },
  }
}

/** A node with its administrator and the project `library`. */
export async function founded(sites: Sites, topology?: Topology): Promise<TestNode> {
  const node = assemble(await sites.found(), sites, topology)
  await layFoundations({ ...node, random: systemRandom }, { adminPassword: ADMIN_PASSWORD })
  return node
}

export const PASSWORD = 'Secret-of-the-test-1'

/** A user with PASSWORD. */
export function user(node: TestNode, name: string) {
  return node.accounts.create({ name, password: PASSWORD }, NODE_ITSELF)
}

/** Serves the node's doors on a socket of their own. */
export async function serve(
  sites: Sites,
  node: TestNode,
  more: readonly RouteModule[] = [],
): Promise<Client> {
  const { tables } = node.site
  const routes = [
    apiRoutes(node.api, { door: 'public' }),
    tokenRoutes({ tables, logins: node.logins, issuer: node.issuer }),
    healthRoutes({ health: node.api.health }),
    ...more,
  ]
  const parts = { routes, logger: silentLogger, random: systemRandom, timers: systemTimers }
  const server = new HttpServer(parts, { host: '127.0.0.1', port: 0 })
  await server.start()
  sites.onClose(() => server.stop())
  return new Client({ host: '127.0.0.1', port: server.address.port })
}

export interface Answer {
  readonly status: number
  readonly headers: Readonly<Record<string, string | string[] | undefined>>
  readonly text: string
  // The shape is what the test is about.
  readonly json: unknown
  /** The first error's code. */
  readonly code: string | undefined
}

export interface Sent {
  readonly as?: string
  readonly password?: string
  readonly headers?: Readonly<Record<string, string>>
  /** Sent as JSON; a string goes as it is. */
  readonly body?: unknown
}

/** Speaks to a node as a client does; paths go out exactly as given. */
export class Client {
  readonly #to: { host: string; port: number } | { socketPath: string }

  constructor(to: { host: string; port: number } | { socketPath: string }) {
    this.#to = to
  }

  get origin(): string {
    return 'port' in this.#to ? `http://${this.#to.host}:${this.#to.port}` : 'http://localhost'
  }

  send(
    method: string,
    path: string,
    { as, password = PASSWORD, headers = {}, body }: Sent = {},
  ): Promise<Answer> {
    const bytes = body === undefined ? undefined : typeof body === 'string' ? body : JSON.stringify(body)
    const all: Record<string, string> = {
      ...(as !== undefined && { authorization: basic(as, password) }),
      ...(bytes !== undefined && { 'content-type': 'application/json' }),
      ...headers,
    }
    return new Promise((resolve, reject) => {
      const sent = request({ ...this.#to, method, path, headers: all, agent: false }, (response) => {
        const chunks: Buffer[] = []
        response.on('data', (chunk: Buffer) => chunks.push(chunk))
        response.on('end', () => {
          const text = Buffer.concat(chunks).toString()
          const json: unknown = /^[[{]/.test(text) ? JSON.parse(text) : undefined
          const code = (json as { errors?: { code: string }[] } | undefined)?.errors?.[0]?.code
          resolve({ status: response.statusCode ?? 0, headers: response.headers, text, json, code })
        })
      })
      sent.on('error', reject)
      sent.end(bytes)
    })
  }
}

export function basic(name: string, password: string): string {
  return `Basic ${Buffer.from(`${name}:${password}`).toString('base64')}`
}

/** Nothing is kept anywhere. */
const nowhere: PlacementView = {
  where: async (digest) => ({ digest, size: null, projects: [], members: [] }),
  status: async () => ({ projects: [], silent: [] }),
}

const NO_HANDOVER = { running: false, blobs: 0, bytes: 0, handed: 0, handedBytes: 0, failed: 0 }

/** A cluster that does as it is told: what is tested here is who may tell it. */
const obedient: Topology = {
  status: async () => ({ self: 'this-node' }) as never,
  invite: async () => ({ id: 'i', invite: 'text', expiresAt: 'later' }),
  invites: async () => [],
  withdrawInvite: async () => {},
  approve: async () => {},
  review: async (node) => ({ node, name: node, logs: {}, before: {}, ops: [], truncated: false }),
  evict: async () => {},
  leave: async () => {},
  handOver: () => NO_HANDOVER,
  handover: () => NO_HANDOVER,
  rotateNetworkKey: async () => '0'.repeat(16),
  links: async () => [],
  setLink: async () => {},
  checkStorage: () => ({ running: false, rows: 0, entries: 0, entriesTotal: 0, last: null }),
}

/** A node, and one that was admitted by it and has learned all it knows: the same is asked of both. */
export async function originAndReplica(
  sites: Sites,
  lay: (origin: TestNode) => Promise<void>,
): Promise<{ origin: TestNode; replica: TestNode }> {
  const origin = await founded(sites)
  const replica = assemble(await sites.admit(origin.site), sites)
  await lay(origin)
  await replica.site.learn(origin.site)
  return { origin, replica }
}

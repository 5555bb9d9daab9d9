import { type FastifyInstance, fastify } from 'fastify'
import type {
  ApiConflict,
  ApiMember,
  ApiOpenConflicts,
  ApiProject,
  ApiUser,
} from '../../../src/cli/api-shapes.ts'
import type { BlobWhere, PlacementStatus } from '../../../src/registry/placement-view.ts'
import type {
  ClusterStatus,
  InviteStatus,
  LinkStatus,
  Review,
  StorageCheck,
} from '../../../src/registry/topology.ts'

export const STATUS: ClusterStatus & ApiOpenConflicts = {
  conflicts: { open: 1000, more: true },
  cluster: { id: 'c'.repeat(64), name: 'harbour' },
  self: '12D3KooWAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAnode1',
  stateHash: 'ab'.repeat(32),
  members: [
    member('1', 'rome', { self: true, connected: true, sync: 'in-sync', url: 'http://127.0.0.1:5001' }),
    member('2', 'oslo', {
      connected: true,
      sync: 'behind',
      lagEntries: 12,
      rttMs: 31.4,
      lastExchangeMs: 900,
    }),
    member('3', 'lima', {}),
    member('4', 'cork', { state: 'evicted', reason: 'stolen at the fair' }),
    member('5', 'bonn', { sync: 'in-sync', lagEntries: 0, lastExchangeMs: 300_000 }),
    member('6', 'nice', { state: 'left' }),
  ],
  notices: ['node3 is far away'],
  lanes: [],
  refused: {},
  ledger: {
    feeds: 4,
    entries: 90,
    writable: true,
    forks: 0,
    parked: { blocks: 0, bytes: 0 },
    waited: 0,
    unknownOps: 0,
    damagedEntries: 0,
    mendedEntries: 0,
    damagedTables: [],
    mendedRows: 0,
    looks: 1,
    failedLooks: 0,
  },
  transfers: {
    torrent: { blobsReceived: 2, bytesReceived: 5 * 1024 * 1024, bytesSent: 0 },
    direct: { blobsReceived: 7, bytesReceived: 900, bytesSent: 2048 },
    recent: [
      {
        digest: `sha256:${'d'.repeat(64)}`,
        size: 3_000_000,
        transport: 'torrent',
        from: ['node2'],
        milliseconds: 412,
      },
    ],
  },
}

export const PLACEMENT: PlacementStatus = {
  projects: [
    {
      name: 'shop',
      placement: 'sites:2',
      residency: ['eu-1', 'eu-2'],
      durability: 2,
      durabilityWaitMs: 20_000,
      durabilityFallback: 'refuse',
      sites: [
        { site: 'eu-1', wanted: 8, placed: 8, wantedBytes: 4096, placedBytes: 4096 },
        { site: 'eu-2', wanted: 8, placed: 6, wantedBytes: 4096, placedBytes: 1024 },
      ],
    },
  ],
  silent: ['node3'],
}

export const WHERE: BlobWhere = {
  digest: `sha256:${'d'.repeat(64)}`,
  size: 2048,
  projects: [{ name: 'shop', placement: 'sites:2', residency: ['eu-1', 'eu-2'] }],
  members: [
    { id: 'a', name: 'node1', site: 'eu-1', self: true, have: 'whole', should: 'keep', projects: ['shop'] },
    { id: 'b', name: 'node2', site: 'eu-2', self: false, have: 'part', should: 'keep', projects: ['shop'] },
    { id: 'c', name: 'node4', site: 'eu-2', self: false, have: 'unknown', should: 'may', projects: ['shop'] },
    { id: 'd', name: 'node3', site: 'us-1', self: false, have: 'whole', should: 'must-not', projects: [] },
  ],
}

/** A look that is at its end when it was asked for the third time. */
function storageCheck(times: number, { failure, sound = false }: ManagementApi['storage']): StorageCheck {
  const running = times > 0 && times < 3
  const last = {
    at: times < 3 ? '2026-11-22T00:00:00.000Z' : '2026-11-23T00:00:00.000Z',
    milliseconds: 1234,
    rows: 300,
    entries: 90,
    damagedEntries: sound ? 0 : 1,
    entriesNamed: sound ? [] : [{ feed: 'catalog/system@n', seq: 7 }],
    damagedTables: sound ? [] : ['catalog'],
    mendedRows: 2,
    failure,
  }
  return { running, rows: 300, entries: 30 * times, entriesTotal: 90, last }
}

const UNBOUND: LinkStatus = {
  link: '*',
  sites: null,
  class: 'long',
  rate: null,
  hours: null,
  budget: null,
  forbidden: false,
  own: false,
  closed: null,
  opensAt: null,
  usedBytes: 0,
  forecastBytes: null,
  rttMs: null,
  known: true,
  disputed: [],
}

export const LINKS: readonly LinkStatus[] = [
  UNBOUND,
  {
    ...UNBOUND,
    link: 'oslo/rome',
    sites: ['oslo', 'rome'],
    class: 'metered',
    rate: 2.5 * 1024 * 1024,
    hours: '22:00-06:00',
    budget: 50 * 2 ** 30,
    own: true,
    closed: 'hours',
    opensAt: '2026-11-23T22:00:00.000Z',
    usedBytes: 30 * 2 ** 30,
    forecastBytes: 60 * 2 ** 30,
    rttMs: 31.4,
    disputed: ['rate'],
  },
  {
    ...UNBOUND,
    link: 'lima/rome',
    sites: ['lima', 'rome'],
    class: 'closed',
    forbidden: true,
    closed: 'forbidden',
    own: true,
    known: false,
  },
]

const INVITES: readonly InviteStatus[] = [
  {
    id: 'i1',
    issuer: 'node1',
    state: 'open',
    role: 'edge',
    scope: null,
    approval: true,
    days: 30,
    expiresAt: '2026-11-23T15:00:00.000Z',
    redeemedBy: null,
  },
]

const REVIEW: Review = {
  node: 'n',
  name: 'node3',
  logs: { 'authority@n': 12, 'catalog/system@n': 40 },
  before: { 'authority@n': 11, 'catalog/system@n': 40 },
  ops: [
    {
      time: '2026-11-23T09:00:00.000Z',
      kind: 'user.created',
      actor: 'node',
      log: 'authority@n',
      entry: 12,
      about: 'name=backdoor',
      what: 'user backdoor',
      who: 'the node',
    },
  ],
  truncated: false,
}

export const CHALLENGE = {
  cluster: 'c'.repeat(64),
  user: 'u'.repeat(22),
  password_hash: '$argon2id$x',
  epoch: 3,
}

const DEED = { actor: 'anna', node: 'node2', site: 'oslo', time: '2026-11-23T09:30:00.000Z' }

export const CONFLICTS: readonly ApiConflict[] = [
  {
    id: 'A'.repeat(22),
    kind: 'member.granted',
    about: 'bob in shop as developer',
    project: 'shop',
    reason: 'revoked',
    text: 'the right was taken away',
    outcome: 'refused',
    ...DEED,
    beaten_by: { ...DEED, id: 'R'.repeat(22), actor: 'admin', node: 'node1', site: 'rome' },
    open: true,
    repair: { action: 'approve', needs: [], advice: null },
  },
  {
    id: 'T'.repeat(22),
    kind: 'tag.moved',
    about: 'shop/web:1.0',
    project: 'shop',
    reason: 'tag',
    text: 'the tag was moved elsewhere',
    outcome: 'lost',
    ...DEED,
    beaten_by: null,
    open: true,
    repair: { action: 'take', needs: [], advice: null },
    values: [],
  },
  {
    id: 'N'.repeat(22),
    kind: 'user.created',
    about: 'user dora~1a2b',
    project: null,
    reason: 'name',
    text: 'the name was taken',
    outcome: 'lost',
    ...DEED,
    beaten_by: null,
    open: true,
    repair: { action: 'rename', needs: ['name'], advice: 'or keep both' },
  },
  {
    id: 'L'.repeat(22),
    kind: 'user.admin-set',
    about: 'user emma (no administrator)',
    project: null,
    reason: 'last-admin',
    text: 'nobody would be left',
    outcome: 'refused',
    ...DEED,
    beaten_by: null,
    open: true,
    repair: { action: null, needs: [], advice: 'appoint another' },
  },
]

type Member = ClusterStatus['members'][number]

function member(number: string, site: string, facts: Partial<Member>): Member {
  return {
    id: `12D3KooWAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAnode${number}`,
    name: `node${number}`,
    site,
    state: 'member',
    role: 'anchor',
    notAfter: null,
    self: false,
    connected: false,
    addresses: [],
    url: null,
    sync: 'unknown',
    lagEntries: null,
    stateHash: null,
    lastExchangeMs: null,
    rttMs: null,
    ...facts,
  }
}

export interface ManagementApi {
  readonly server: FastifyInstance
  readonly users: ApiUser[]
  readonly projects: ApiProject[]
  readonly members: ApiMember[]
  /** Every list of conflicts that was asked for, without its page. */
  readonly looked: string[]
  /** What a look at the storage ends with. */
  readonly storage: { failure: string | null; sound?: boolean }
  /** Every changing request, as `POST /users {"username":…}`. */
  readonly changes: { readonly request: string; readonly body: unknown }[]
  /** Authorization header of the last request. */
  authorization(): string | undefined
}

/** The answers of `/api/v2.0` in their real shapes; what was asked is kept for the test to look at. */
export function managementApi(): ManagementApi {
  const server = fastify()
  const users: ApiUser[] = [user(1, 'admin', true), user(7, 'alice', false)]
  const projects: ApiProject[] = [
    { project_id: 1, name: 'library', creation_time: TIME, metadata: { public: 'true' }, repo_count: 3 },
  ]
  const members: ApiMember[] = [{ id: 5, entity_name: 'alice', role_id: 2 }]
  const changes: ManagementApi['changes'] = []
  let authorization: string | undefined
  server.addHook('preHandler', async (request) => {
    authorization = request.headers.authorization
    if (request.method === 'GET') return
    changes.push({ request: `${request.method} ${request.url.replace('/api/v2.0', '')}`, body: request.body })
  })
  const paged = <T>(rows: readonly T[], query: unknown): T[] => {
    const { page, page_size } = query as { page: string; page_size: string }
    return rows.slice((Number(page) - 1) * Number(page_size), Number(page) * Number(page_size))
  }
  const base = '/api/v2.0'
  const looked: string[] = []
  for (const path of ['/conflicts', '/projects/:name/conflicts']) {
    server.get(`${base}${path}`, (request) => {
      looked.push(request.url.slice(base.length).replace(/[?&]page=.*$/, ''))
      return paged(CONFLICTS, request.query)
    })
    server.post(`${base}${path}/:id/repair`, (_, reply) => reply.code(200).send())
  }
  server.get(`${base}/cluster`, () => STATUS)
  server.get(`${base}/cluster/placement`, () => PLACEMENT)
  server.get(`${base}/cluster/blobs/:digest`, () => WHERE)
  server.post(`${base}/cluster/invites`, (_, reply) =>
    reply.code(201).send({ id: 'i1', invite: 'flotilla1_abc', expiresAt: '2026-11-23T15:00:00.000Z' }),
  )
  server.get(`${base}/cluster/invites`, () => INVITES)
  server.delete(`${base}/cluster/invites/:id`, (_, reply) => reply.code(200).send())
  server.post(`${base}/cluster/members/:id/eviction`, (_, reply) => reply.code(200).send())
  server.post(`${base}/cluster/members/:id/approval`, (_, reply) => reply.code(200).send())
  server.get(`${base}/cluster/members/:id/review`, () => REVIEW)
  server.post(`${base}/cluster/network-key`, (_, reply) => reply.code(201).send({ key: 'f'.repeat(16) }))
  server.get(`${base}/cluster/links`, () => LINKS)
  for (const path of ['default', ':site/:other']) {
    server.put(`${base}/cluster/links/${path}`, (_, reply) => reply.code(200).send())
    server.delete(`${base}/cluster/links/${path}`, (_, reply) => reply.code(200).send())
  }
  server.post(`${base}/cluster/recovery/challenge`, () => CHALLENGE)
  server.post(`${base}/cluster/recovery`, (_, reply) => reply.code(200).send({ network_key: null }))
  let looks = 0
  const storage: ManagementApi['storage'] = { failure: null }
  server.get(`${base}/cluster/storage-check`, () => storageCheck(looks === 0 ? 0 : looks++, storage))
  server.post(`${base}/cluster/storage-check`, (_, reply) =>
    reply.code(202).send(storageCheck(++looks, storage)),
  )
  server.post(`${base}/cluster/leave`, (_, reply) => reply.code(200).send())
  let asked = 0
  const handover = () => ({
    running: ++asked < 3,
    blobs: 2,
    bytes: 3_000_000,
    handed: Math.min(2, asked),
    handedBytes: Math.min(2, asked) * 1_500_000,
    failed: 0,
  })
  server.post(`${base}/cluster/handover`, (_, reply) => reply.code(202).send(handover()))
  server.get(`${base}/cluster/handover`, handover)
  server.get(`${base}/users`, (request) => paged(users, request.query))
  server.post(`${base}/users`, (request, reply) => {
    const { username } = request.body as { username: string }
    if (users.some((one) => one.username === username)) {
      return reply
        .code(409)
        .send({ errors: [{ code: 'CONFLICT', message: `the name ${username} is taken` }] })
    }
    return reply.code(201).header('location', `${base}/users/99`).send()
  })
  server.delete(`${base}/users/:id`, (_, reply) => reply.code(200).send())
  server.put(`${base}/users/:id/:what`, (_, reply) => reply.code(200).send())
  server.get(`${base}/projects`, (request) => paged(projects, request.query))
  server.post(`${base}/projects`, (_, reply) => reply.code(201).send())
  server.put(`${base}/projects/:name`, (_, reply) => reply.code(200).send())
  server.delete(`${base}/projects/:name`, (_, reply) =>
    reply.code(412).send({ errors: [{ code: 'PRECONDITION', message: 'the project has 3 repositories' }] }),
  )
  server.get(`${base}/projects/:name/members`, (request) => paged(members, request.query))
  server.post(`${base}/projects/:name/members`, (_, reply) => reply.code(201).send())
  server.put(`${base}/projects/:name/members/:id`, (_, reply) => reply.code(200).send())
  server.delete(`${base}/projects/:name/members/:id`, (_, reply) => reply.code(200).send())
  return { server, users, projects, members, looked, storage, changes, authorization: () => authorization }
}

const TIME = '2026-11-23T10:00:00.000Z'

export function user(user_id: number, username: string, sysadmin_flag: boolean): ApiUser {
  return { user_id, username, sysadmin_flag, creation_time: TIME, email: `${username}@example.org` }
}

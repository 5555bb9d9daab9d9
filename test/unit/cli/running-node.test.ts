import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type Cli, commandLine } from './harness.ts'
import { type ManagementApi, managementApi, STATUS, user } from './management-api.ts'

let cli: Cli
let api: ManagementApi

beforeEach(async () => {
  cli = commandLine()
  api = managementApi()
  await api.server.listen({ path: join(cli.dataDir, 'control.sock') })
})
afterEach(() => api.server.close())

describe('status', () => {
  test('shows members with site, sync, lag and round trip, and what travelled', async () => {
    const { code, out } = await cli.type('status')
    expect(code).toBe(0)
    expect(out).toMatch(/^Cluster harbour \(c{12}\)/)
    expect(out).toMatch(/^node1 \*\s+rome\s.*anchor\s+connected\s+in sync/m)
    expect(out).toMatch(/^node2\s+oslo\s.*connected\s+behind\s+12\s+31 ms\s+900 ms ago/m)
    expect(out).toMatch(/^node3\s+lima\s.*away\s+unknown\s+-/m)
    expect(out).not.toContain('cork')
    expect(out).toContain('(and 2 that left or were evicted: node4 evicted: stolen at the fair; node6 left)')
    expect(out).toMatch(/^Open conflicts: 1000\+ \(flotilla conflicts shows them\)$/m)
    expect(out).toMatch(/^BitTorrent\s+2\s+5\.0 MiB\s+0 B$/m)
    expect(out).toMatch(/^direct\s+7\s+900 B\s+2\.0 KiB$/m)
    expect(out).toMatch(/^sha256:d{12}\s+2\.9 MiB\s+BitTorrent\s+412 ms\s+node2$/m)
  })

  test('of a member that is away it is said how it was when it was last heard, never that it is in sync', async () => {
    const { out } = await cli.type('status')
    expect(out).toMatch(/^node5\s+bonn\s.*away\s+in sync when last heard, 5 min ago\s/m)
  })

  test('--json is the status itself on one line', async () => {
    const { out } = await cli.type('status --json')
    expect(out.trimEnd()).not.toContain('\n')
    expect(JSON.parse(out)).toEqual(STATUS)
  })
})

describe('check', () => {
  test('waits for the end of the look it began, and says what was found and mended', async () => {
    const { code, out } = await cli.type('check')
    expect(out).toMatch(/^300 rows and 90 log entries read in 1\.2 s$/m)
    expect(out).toContain('damaged log entries: 1 (catalog/system@n 7 is one); they are asked for again')
    expect(out).toContain('damaged tables: catalog; 2 rows were made anew from the logs')
    expect(out).toContain('replace it')
    expect(code).toBe(0)
  })

  test('--json is what was found on one line, and not what an earlier look found', async () => {
    const { out } = await cli.type('check --json')
    expect(out.trimEnd()).not.toContain('\n')
    expect(JSON.parse(out)).toMatchObject({ at: '2026-11-23T00:00:00.000Z', damagedTables: ['catalog'] })
  })

  test('what could not be mended is a failure with what to do', async () => {
    api.storage.failure = 'records of catalog are damaged and could not be made anew: stop the node'
    const { code, err } = await cli.type('check')
    expect(code).toBe(1)
    expect(err).toContain('could not be made anew: stop the node')
  })

  test('what could not be read is never said to be sound', async () => {
    api.storage.sound = true
    api.storage.failure = 'the records could not be read (Corruption: bad block type): stop the node'
    const { code, out } = await cli.type('check')
    expect(code).toBe(1)
    expect(out).not.toContain('nothing is damaged')
    expect(out).toContain('the records are damaged')
  })
})

describe('who belongs', () => {
  test('an invite stands alone on standard output, so that it can be piped', async () => {
    const { code, out, err } = await cli.type('invite --ttl 2h')
    expect([code, out]).toEqual([0, 'flotilla1_abc\n'])
    expect(err).toContain('flotilla join flotilla1_abc --serve')
    expect(api.changes).toEqual([
      { request: 'POST /cluster/invites', body: { ttl_seconds: 7200, role: 'anchor' } },
    ])
  })

  test('--json gives the invitation', async () => {
    expect(JSON.parse((await cli.type('invite --json')).out)).toMatchObject({
      id: 'i1',
      invite: 'flotilla1_abc',
    })
    expect(api.changes[0]?.body).toEqual({ ttl_seconds: 1800, role: 'anchor' })
  })

  test('a lifetime nobody can mean is refused before the node is asked', async () => {
    const { code, err } = await cli.type('invite --ttl 30d')
    expect(code).toBe(2)
    expect(err).toMatch(/--ttl 30d: must be a duration .* to 1d/)
    expect(api.changes).toEqual([])
  })

  test.each(['node3', STATUS.members[2]?.id ?? '', '…AAAnode3'])(
    'evict finds a member as %s',
    async (name) => {
      expect((await cli.type(`evict ${name} --yes`)).code).toBe(0)
      expect(api.changes.map(({ request }) => request)).toEqual([
        `POST /cluster/members/${STATUS.members[2]?.id}/eviction`,
      ])
    },
  )

  test('evicting nobody, oneself, or without a yes changes nothing and says what to do', async () => {
    expect((await cli.type('evict node9 --yes')).err).toMatch(
      /no member is called node9\n {2}members: node1 \(…/,
    )
    const out = await cli.type('evict node4 --yes')
    expect(out.code).toBe(1)
    expect(out.err).toMatch(/node4 is evicted already\n {2}.*--compromised --accept-until/)
    expect((await cli.type('evict node1 --yes')).err).toContain('flotilla leave')
    expect((await cli.type('evict node2')).err).toContain('--yes')
    expect(api.changes).toEqual([])
  })

  test('an invite carries role, term and the wish for a second consent; nonsense is refused before', async () => {
    const { code, err } = await cli.type('invite --role edge --tenant shop lab --approval --days 7')
    expect(code).toBe(0)
    expect(err).toContain('flotilla node approve NAME')
    await cli.type('invite --role readonly --days forever')
    expect(api.changes.map(({ body }) => body)).toEqual([
      { ttl_seconds: 1800, role: 'edge', scope: ['shop', 'lab'], approval: true, days: 7 },
      { ttl_seconds: 1800, role: 'readonly', days: null },
    ])
    expect((await cli.type('invite --role emperor')).code).toBe(2)
    const tenant = await cli.type('invite --tenant __proto__')
    expect([tenant.code, tenant.err]).toEqual([2, expect.stringContaining('--tenant __proto__: must be of')])
    expect((await cli.type('invite --days 0')).code).toBe(2)
    expect((await cli.type('invite --days soon')).err).toContain('or forever')
    expect(api.changes).toHaveLength(2)
  })

  test('invites are listed, and one that nobody used is withdrawn', async () => {
    const { out } = await cli.type('invites')
    expect(out).toMatch(/^i1\s+open\s+node1\s+edge\s+yes\s+30\s+2026-11-23 15:00\s+-$/m)
    expect(JSON.parse((await cli.type('invites --json')).out)).toHaveLength(1)
    expect((await cli.type('invite withdraw i1')).out).toBe('Invite i1 is withdrawn.\n')
    expect(api.changes.map(({ request }) => request)).toEqual(['DELETE /cluster/invites/i1'])
  })

  test('who evicts a compromised node is shown what it wrote before being asked', async () => {
    const words = 'evict node3 --compromised --since 2026-11-01 --accept-until 11 --reason stolen'
    const unsure = await cli.type(words)
    expect(unsure.code).toBe(2)
    expect(unsure.err).toMatch(
      /2026-11-23 09:00:00\s+user\.created\s+user backdoor\s+the node\s+authority 12/,
    )
    expect(api.changes).toEqual([])
    expect((await cli.type(`${words} --yes`)).code).toBe(0)
    const accept_until = { 'authority@n': 11, 'catalog/system@n': 11 }
    expect(api.changes[0]?.body).toEqual({ compromised: true, accept_until, reason: 'stolen' })
    expect((await cli.type('evict node3 --yes --accept-until later')).code).toBe(2)
    expect((await cli.type('evict node3 --yes --compromised --since yesterday')).code).toBe(2)
  })

  test('who says nothing of where to cut is told what counts, and how to take back more', async () => {
    const { out } = await cli.type('evict node3 --compromised --yes')
    expect(out).toBe(
      'node3 is evicted.\n' +
        'Of what it wrote still counts: authority 12 of 12, catalog/system 40 of 40 entries.\n' +
        'To take back more: flotilla evict node3 --compromised --accept-until TIME (or N entries of each log).\n',
    )
    // What was shown counts, not what comes in before the record is written.
    expect(api.changes[0]?.body).toMatchObject({
      accept_until: { 'authority@n': 12, 'catalog/system@n': 40 },
    })
    const { out: json } = await cli.type('evict node3 --compromised --yes --json --accept-until 2026-11-23')
    expect(JSON.parse(json)).toMatchObject({
      node: STATUS.members[2]?.id,
      name: 'node3',
      accepted: { 'authority@n': 11, 'catalog/system@n': 40 },
      review: { ops: [{ about: 'name=backdoor', what: 'user backdoor' }] },
    })
  })

  test('a person at a terminal is asked where to cut, after being shown what there is', async () => {
    const { err } = await cli.type('evict node3 --compromised', { typed: ['2026-11-23T08:00Z'] })
    expect(err).toMatch(/user backdoor[\s\S]*What of it still counts\?[\s\S]*nobody is there to ask/)
    expect(api.changes).toEqual([])
  })

  test('a node that is out already is cut earlier, if one says where', async () => {
    const vague = await cli.type('evict node4 --compromised --yes')
    expect([vague.code, vague.err]).toEqual([
      2,
      expect.stringContaining('node4 is evicted already: say what'),
    ])
    expect((await cli.type('evict node4 --compromised --yes --accept-until 3')).code).toBe(0)
    expect(api.changes.map(({ body }) => body)).toEqual([
      { compromised: true, accept_until: { 'authority@n': 3, 'catalog/system@n': 3 }, reason: '' },
    ])
  })

  test('nodes shows roles and terms; only who waits can be approved', async () => {
    expect((await cli.type('nodes')).out).toMatch(
      /^node4\s+cork\s+\S+\s+anchor\s+evicted \(stolen at the fair\)\s+-$/m,
    )
    expect((await cli.type('node approve node3')).err).toMatch(
      /node3 is a member already\n {2}waiting: nobody/,
    )
    expect((await cli.type('node approve node9')).err).toContain('no member is called node9')
    expect(api.changes).toEqual([])
  })

  test('the network key is changed by hand', async () => {
    expect((await cli.type('network rotate-key')).out).toContain('ffffffffffffffff')
    expect(api.changes).toEqual([{ request: 'POST /cluster/network-key', body: {} }])
  })

  test('leave tells the node', async () => {
    expect((await cli.type('leave')).code).toBe(2)
    const { code, out } = await cli.type('leave --yes')
    expect(code).toBe(0)
    expect(out).toMatch(
      /^Others have fetched 2 blobs \(2\.9 MiB\) that were only here\.\nnode1 has left cluster harbour\.\n$/,
    )
    expect(api.changes).toEqual([
      { request: 'POST /cluster/handover', body: {} },
      { request: 'POST /cluster/leave', body: { force: false } },
    ])
  })

  test('leave --force hands nothing over', async () => {
    const { out } = await cli.type('leave --yes --force')
    expect(out).toBe('node1 has left cluster harbour.\n')
    expect(api.changes).toEqual([{ request: 'POST /cluster/leave', body: { force: true } }])
  })

  test('leave --json says on one line who has left what, and whether a member heard of it', async () => {
    const { out } = await cli.type('leave --yes --json')
    expect(out.trimEnd()).not.toContain('\n')
    const { cluster, self } = STATUS
    expect(JSON.parse(out)).toMatchObject({
      node: self,
      name: 'node1',
      cluster,
      told: true,
      handed: { handed: 2 },
    })
  })
})

describe('users', () => {
  test('are listed whole, however many pages that takes', async () => {
    for (let id = 100; id < 350; id++) api.users.push(user(id, `user${id}`, false))
    const { out } = await cli.type('user list --json')
    expect(JSON.parse(out)).toHaveLength(252)
    expect((await cli.type('user list')).out).toMatch(/^admin\s+administrator\s+admin@example\.org/m)
  })

  test('a new one gets a password that is printed once', async () => {
    const { code, out } = await cli.type('user create bob --email bob@example.org --admin')
    expect(code).toBe(0)
    const password = /password\s+(\S+)/.exec(out)?.[1]
    expect(password?.length).toBeGreaterThanOrEqual(16)
    expect(api.changes).toEqual([
      {
        request: 'POST /users',
        body: expect.objectContaining({ username: 'bob', password, email: 'bob@example.org' }),
      },
      { request: 'PUT /users/99/sysadmin', body: { sysadmin_flag: true } },
    ])
  })

  test('a password from standard input is never printed', async () => {
    const { out, err } = await cli.type('user create bob --new-password-stdin', { input: 'Geheim123' })
    expect(api.changes[0]?.body).toMatchObject({ password: 'Geheim123' })
    expect(out + err).not.toContain('Geheim123')
  })

  test('a name that is taken is said in one line', async () => {
    const { code, err } = await cli.type('user create alice')
    expect([code, err]).toEqual([1, 'flotilla: the name alice is taken\n'])
  })

  test('password, admin and delete act on the number behind the name', async () => {
    await cli.type('user password ALICE --new-password-stdin', { input: 'Geheim123' })
    await cli.type('user admin alice on')
    await cli.type('user delete alice --yes')
    expect(api.changes).toEqual([
      { request: 'PUT /users/7/password', body: { new_password: 'Geheim123' } },
      { request: 'PUT /users/7/sysadmin', body: { sysadmin_flag: true } },
      { request: 'DELETE /users/7', body: undefined },
    ])
  })

  test('somebody who is not there is named, with what to do next', async () => {
    const { code, err } = await cli.type('user password carol')
    expect([code, err]).toEqual([
      1,
      'flotilla: there is no user carol\n  `flotilla user list` shows who there is\n',
    ])
  })
})

describe('projects', () => {
  test('are listed with who may pull', async () => {
    expect((await cli.type('project list')).out).toMatch(/^library\s+public\s+3\s/m)
  })

  test('are private unless said otherwise', async () => {
    await cli.type('project create shop')
    await cli.type('project create fair --public')
    expect(api.changes.map(({ body }) => body)).toEqual([
      { project_name: 'shop', metadata: { public: 'false' } },
      { project_name: 'fair', metadata: { public: 'true' } },
    ])
  })

  test('a refusal of the node is passed on in its words', async () => {
    const { code, err } = await cli.type('project delete library --yes')
    expect([code, err]).toEqual([1, 'flotilla: the project has 3 repositories\n'])
  })

  test('a grant replaces the role somebody has, and makes one where there is none', async () => {
    await cli.type('project grant library alice maintainer')
    await cli.type('project grant library bob limited-guest')
    expect(api.changes).toEqual([
      { request: 'PUT /projects/library/members/5', body: { role_id: 4 } },
      { request: 'POST /projects/library/members', body: { role_id: 5, member_user: { username: 'bob' } } },
    ])
    expect((await cli.type('project members library')).out).toMatch(/^alice\s+developer$/m)
    expect((await cli.type('project grant library alice owner')).code).toBe(2)
  })

  test('revoke takes the role away, or says that there is none', async () => {
    await cli.type('project revoke library alice')
    expect(api.changes).toEqual([{ request: 'DELETE /projects/library/members/5', body: undefined }])
    expect((await cli.type('project revoke library bob')).err).toContain('bob has no role in library')
  })
})

describe('a node elsewhere', () => {
  test('is asked by URL, with a name and a password from standard input', async () => {
    const remote = managementApi()
    const server = await remote.server.listen({ host: '127.0.0.1', port: 0 })
    const { code } = await cli.type(`status --server ${server}/ --username ops --password-stdin`, {
      input: 'Geheim1:x',
    })
    expect(code).toBe(0)
    expect(remote.authorization()).toBe(`Basic ${Buffer.from('ops:Geheim1:x').toString('base64')}`)
    await remote.server.close()
  })

  test('the control socket needs no password', async () => {
    await cli.type('status')
    expect(api.authorization()).toBeUndefined()
  })

  test('a wrong password, a URL where nothing listens, and a URL with a path get their sentences', async () => {
    const remote = managementApi()
    remote.server.addHook('onRequest', (_, reply) =>
      reply
        .code(401)
        .send({ errors: [{ code: 'UNAUTHORIZED', message: 'the name or the password is wrong' }] }),
    )
    const server = await remote.server.listen({ host: '127.0.0.1', port: 0 })
    const wrong = await cli.type(`user list --server ${server} --password-stdin`, { input: 'x' })
    expect(wrong.err).toMatch(
      /^flotilla: the name or the password is wrong\n {2}check the name and the password/,
    )
    await remote.server.close()
    const nobody = await cli.type(`user list --server ${server} --password-stdin`, { input: 'x' })
    expect(nobody.err).toMatch(/does not answer \(ECONNREFUSED\)\n {2}is the node running/)
    expect((await cli.type(`user list --server ${server}/api`)).code).toBe(2)
    expect((await cli.type('user list', { environment: { FLOTILLA_SERVER: server } })).err).toContain(
      '--password-stdin',
    )
  })
})

test('an interrupted command ends with the code of a shell, without a word', async () => {
  const slow = managementApi()
  slow.server.addHook('onRequest', async () => {
    cli.interrupt()
    await new Promise(() => {})
  })
  const server = await slow.server.listen({ host: '127.0.0.1', port: 0 })
  const ran = await cli.type(`status --server ${server} --password-stdin`, { input: 'x' })
  expect(ran).toEqual({ code: 130, out: '', err: '' })
  slow.server.server.closeAllConnections()
  await slow.server.close()
})

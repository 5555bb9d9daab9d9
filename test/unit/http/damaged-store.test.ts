import { join } from 'node:path'
import { afterEach, describe, expect, onTestFinished, test } from 'vitest'
import { Health } from '../../../src/http/health/health.ts'
import { recordsProbe } from '../../../src/http/health/probes.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { systemTimers } from '../../../src/runtime/timers.ts'
import { LevelStore } from '../../../src/store/level/level-store.ts'
import { StorageWatch } from '../../../src/store/storage-watch.ts'
import { damagedNode } from '../../support/damaged-node.ts'
import { flip, settleInTables, tellingSpot } from '../../support/damaged-table.ts'
import { fullDisk } from '../../support/full-disk.ts'
import { ADMIN_PASSWORD, founded, serve } from '../../support/node.ts'
import { OciClient } from '../../support/oci-client.ts'
import { type ServerUnderTest, startRegistry } from '../../support/registry.ts'
import { HandClock, Sites } from '../../support/sites.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const DOCTOR = expect.stringContaining('flotilla doctor')
const clock = new HandClock()
const sites = new Sites(clock)
afterEach(() => sites.close())

async function registry(root: string): Promise<{ server: ServerUnderTest; client: OciClient }> {
  const server = await startRegistry({ root, projects: [] })
  const client = new OciClient(server.url, 'alice')
  return { server, client }
}

test('a pull of a tag whose row the disk has damaged is 503 STORE_DAMAGED with the next step, others go on', async () => {
  const root = temporaryFolder('damaged')
  const { server, client } = await registry(root)
  await server.project('team')
  const image = await client.image('team/app')
  for (let n = 100; n < 160; n++) await client.pushManifest('team/app', `v${n}`, image)
  client.close()
  await server.close()
  const directory = join(root, 'records')
  await settleInTables(directory)
  const store = await LevelStore.open(directory)
  const tags: string[] = []
  for await (const [key] of store.range({ gte: 't/tags/', lt: 't/tags0' })) tags.push(key)
  await store.close()
  const keyOf = (tag: string) => tags.find((key) => key.endsWith(tag)) as string
  const spot = await tellingSpot(directory, keyOf('v130'), [keyOf('v100'), keyOf('v159')])

  const again = await registry(root)
  flip(spot)
  const hurt = await again.client.send('GET', '/v2/team/app/manifests/v130')
  expect(hurt.status).toBe(503)
  expect(hurt.json()).toEqual({ errors: [{ code: 'STORE_DAMAGED', message: DOCTOR }] })
  // Where it stands on the machine is nobody's business who pulls.
  expect(hurt.body.toString()).not.toContain(root)
  expect((await again.client.send('GET', '/v2/team/app/tags/list')).status).toBe(503)
  expect((await again.client.send('GET', '/v2/team/app/manifests/v100')).status).toBe(200)
  again.client.close()
  await again.server.close()
})

test('a row that was read as junk is 503 STORE_ROW_DAMAGED and says how it is made anew, not a defect', async () => {
  const root = temporaryFolder('damaged')
  const { server, client } = await registry(root)
  await server.project('team')
  const image = await client.image('team/app')
  for (const tag of ['whole', 'hurt']) await client.pushManifest('team/app', tag, image)
  client.close()
  await server.close()
  const store = await LevelStore.open(join(root, 'records'))
  for await (const [key] of store.range({ gte: 't/tags/', lt: 't/tags0' })) {
    if (key.endsWith('hurt')) await store.write([{ type: 'put', key, value: Buffer.alloc(40, 0xff) }])
  }
  await store.close()
  const again = await registry(root)
  const hurt = await again.client.send('GET', '/v2/team/app/manifests/hurt')
  expect(hurt.status).toBe(503)
  const message = expect.stringContaining('flotilla check')
  expect(hurt.json()).toEqual({ errors: [{ code: 'STORE_ROW_DAMAGED', message }] })
  expect((await again.client.send('GET', '/v2/team/app/manifests/whole')).status).toBe(200)
  again.client.close()
  await again.server.close()
})

test('a push to a full disk is 507 STORAGE_FULL with the next step, a pull goes on, and a push once there is room', async (context) => {
  const disk = fullDisk('64m')
  if (!disk) return context.skip('no right to mount')
  const { server, client } = await registry(disk.directory)
  onTestFinished(async () => {
    client.close()
    await server.close()
  })
  await server.project('team')
  const image = await client.image('team/app')
  expect((await client.pushManifest('team/app', 'before', image)).status).toBe(201)
  disk.fill()
  const refused = await client.pushManifest('team/app', 'refused', image)
  expect(refused.status).toBe(507)
  const message = expect.stringContaining('has to make room')
  expect(refused.json()).toEqual({ errors: [{ code: 'STORAGE_FULL', message }] })
  expect((await client.send('GET', '/v2/team/app/manifests/before')).status).toBe(200)
  disk.free()
  expect((await client.pushManifest('team/app', 'after', image)).status).toBe(201)
})

describe('a node that cannot write for damage', () => {
  async function served() {
    const { node, journal: directory } = await damagedNode(sites)
    return { client: await serve(sites, node), directory }
  }

  test('answers changes with 503 and the next step in either protocol’s words, and goes on reading', async () => {
    const { client, directory } = await served()
    const admin = { as: 'admin', password: ADMIN_PASSWORD }
    const body = { username: 'alice', password: 'Secret-of-1', email: '', realname: '' }
    const refused = await client.send('POST', '/api/v2.0/users', { ...admin, body })
    expect(refused.status).toBe(503)
    expect(refused.json).toEqual({ errors: [{ code: 'UNKNOWN', message: DOCTOR }] })
    expect(refused.headers['x-flotilla-code']).toBe('STORE_DAMAGED')
    expect(refused.text).not.toContain(directory)
    expect((await client.send('GET', '/api/v2.0/users/current', admin)).status).toBe(200)
  })

  test('is not ready, says why, and tells its operator where', async () => {
    const { client, directory } = await served()
    const ready = await client.send('GET', '/readyz')
    expect(ready.status).toBe(503)
    expect(ready.json).toMatchObject({
      status: 'unhealthy',
      components: [{ name: 'journal' }, { name: 'records', status: 'unhealthy', error: DOCTOR }],
    })
    expect(ready.text).not.toContain(directory)
    expect((await client.send('GET', '/livez')).status).toBe(200)
    const admin = { as: 'admin', password: ADMIN_PASSWORD }
    const { storage } = (await client.send('GET', '/api/v2.0/cluster', admin)).json as { storage: object }
    const where = expect.stringContaining(directory)
    expect(storage).toMatchObject({ writable: false, damage: where, notices: [where, expect.any(String)] })
  })
})

test('a node whose disk is full is ready, for pulls go on, and says in the body what does not', async (context) => {
  const disk = fullDisk()
  if (!disk) return context.skip('no right to mount')
  const node = await founded(sites)
  const directories = { journal: disk.directory, blobs: disk.directory }
  const storage = new StorageWatch({ store: node.site.store, directories, warnBelowBytes: 1 })
  const probes = [recordsProbe(storage)]
  const health = new Health({ probes, timers: systemTimers, clock, logger: silentLogger })
  const client = await serve(sites, { ...node, api: { ...node.api, storage, health } })
  const ready = await client.send('GET', '/readyz')
  expect(ready.status).toBe(200)
  const notice = expect.stringContaining('make room')
  expect(ready.json).toEqual({
    status: 'healthy',
    components: [{ name: 'records', status: 'healthy', notice }],
  })
  expect(await storage.facts()).toMatchObject({ damage: null, writable: false, notices: [notice] })
})

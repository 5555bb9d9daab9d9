import { join } from 'node:path'
import { afterEach, expect, test } from 'vitest'
import { apiRoutes } from '../../../src/http/api/api.ts'
import { ControlSocket } from '../../../src/http/api/control-socket.ts'
import type { StorageState } from '../../../src/registry/storage-state.ts'
import type { ClusterStatus } from '../../../src/registry/topology.ts'
import { silentLogger } from '../../../src/runtime/logger.ts'
import { systemRandom } from '../../../src/runtime/random.ts'
import { systemTimers } from '../../../src/runtime/timers.ts'
import { StorageWatch } from '../../../src/store/storage-watch.ts'
import { damagedNode } from '../../support/damaged-node.ts'
import { fullDisk } from '../../support/full-disk.ts'
import { founded, type TestNode } from '../../support/node.ts'
import { HandClock, Sites } from '../../support/sites.ts'
import { type Cli, commandLine } from './harness.ts'
import { STATUS } from './management-api.ts'

const sites = new Sites(new HandClock())
afterEach(() => sites.close())
const DOCTOR = 'doctor --http-port 0 --cluster-port 0 --swarm-port 0'

/** The command line on a directory in which the node answers at its control socket. */
async function running(
  node: TestNode,
  {
    status = async () => STATUS,
    storage = node.api.storage,
  }: { status?: () => Promise<ClusterStatus>; storage?: StorageState } = {},
): Promise<Cli> {
  const cli = commandLine()
  const api = { ...node.api, topology: { ...node.api.topology, status }, storage }
  const parts = { logger: silentLogger, random: systemRandom, timers: systemTimers }
  const routes = [apiRoutes(api, { door: 'control' })]
  const socket = new ControlSocket({ ...parts, routes }, { path: join(cli.dataDir, 'control.sock') })
  await socket.start()
  sites.onClose(() => socket.stop())
  return cli
}

test('of a running node whose store is damaged doctor and status name the damage and what to do', async () => {
  const { node, journal } = await damagedNode(sites)
  const cli = await running(node)
  const doctor = await cli.type(DOCTOR)
  expect(doctor.code).toBe(1)
  expect(doctor.out).toMatch(
    /^records on disk\s+fail\s+the disk has damaged the records in \S+ \(.*Corruption.*Move the/m,
  )
  expect(doctor.out).toContain(journal)
  const status = await cli.type('status')
  expect(status.out).toMatch(/^! the disk has damaged the records in .*Move the directory away/m)
  expect(status.out).toMatch(/^! nothing can be recorded at this node/m)
  const refused = await cli.type('project create shop')
  expect(refused.code).toBe(1)
  expect(refused.err).toContain('damaged its records')
  expect(refused.err).toContain('flotilla doctor')
})

test('a node that cannot even say how it is has a row that names the folder, too', async () => {
  const { node } = await damagedNode(sites)
  const status = () => Promise.reject(node.api.storage.unwritable)
  const cli = await running(node, { status })
  const doctor = await cli.type(DOCTOR)
  expect(doctor.code).toBe(1)
  const folder = join(cli.dataDir, 'journal')
  expect(doctor.out).toContain(`the running node cannot read its records in ${folder} (STORE_DAMAGED)`)
  expect(doctor.out).toContain(`move ${folder} away and start again`)
  const said = await cli.type('status')
  expect(said.code).toBe(1)
  expect(said.err).toContain('flotilla doctor')
})

test('a disk that is full, or nearly, is a notice of status', async (context) => {
  const disk = fullDisk()
  if (!disk) return context.skip('no right to mount')
  const node = await founded(sites)
  const { store, directory } = node.site
  const watch = (journal: string, warnBelowBytes: number) =>
    new StorageWatch({ store, directories: { journal, blobs: journal }, warnBelowBytes })
  const full = await running(node, { storage: watch(disk.directory, 1) })
  expect((await full.type('status')).out).toMatch(
    /^! the disk is full, nothing can be recorded \(.*make room/m,
  )
  const nearly = await running(node, { storage: watch(directory, 2 ** 60) })
  expect((await nearly.type('status')).out).toMatch(/^! \d+ MiB are left on the disk of .*: make room/m)
  const roomy = await running(node, { storage: watch(directory, 1) })
  expect((await roomy.type('status')).out).not.toContain('make room')
})

import { join } from 'node:path'
import { registryRoutes } from '../../src/http/oci/routes.ts'
import { HttpServer, type RouteModule } from '../../src/http/server.ts'
import { clusterIdOf, foundingOps, writeGenesis } from '../../src/journal/genesis.ts'
import { op } from '../../src/journal/kinds.ts'
import { AUTHORITY } from '../../src/journal/op.ts'
import { SingleNodeJournal } from '../../src/journal/single-node.ts'
import type { RegistryAccess } from '../../src/registry/access.ts'
import { type BlobSource, noBlobSource } from '../../src/registry/blob-source.ts'
import { durableAlone } from '../../src/registry/durability.ts'
import { createRegistry, type Registry } from '../../src/registry/registry.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { type Logger, silentLogger } from '../../src/runtime/logger.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { systemTimers } from '../../src/runtime/timers.ts'
import { LevelStore } from '../../src/store/level/level-store.ts'
import { type DiskStores, openDisk, temporaryDirectory } from './disk.ts'

const NODE = 'a'.repeat(32)
const KEY = 'k'.repeat(43)
const GENESIS = writeGenesis({
  name: 'test',
  founder: NODE,
  nonce: new Uint8Array(32),
  time: 0,
  recovery: new Uint8Array(32),
})
const CLUSTER = clusterIdOf(GENESIS)

/** Everybody may do everything, and is who the user name of Basic says. For tests whose subject is not access. */
export const openAccess: RegistryAccess = {
  authorize: async ({ authorization }) => {
    const basic = /^Basic (.+)$/.exec(authorization ?? '')?.[1]
    const principal = basic ? (Buffer.from(basic, 'base64').toString().split(':')[0] ?? '') : 'anonymous'
    return { principal, mayPull: () => true }
  },
}

export interface RegistryUnderTest {
  readonly root: string
  readonly disk: DiskStores
  readonly journal: SingleNodeJournal
  readonly registry: Registry
  /** Makes a project; its name is the first segment of repositories in it. */
  project(name: string): Promise<string>
  close(): Promise<void>
}

/** A whole registry of one node on real files: Level, journal, disk. */
export async function openRegistry(
  root: string,
  source: BlobSource = noBlobSource,
): Promise<RegistryUnderTest> {
  const disk = await openDisk(join(root, 'blobs'))
  const store = await LevelStore.open(join(root, 'records'))
  const journal = new SingleNodeJournal({ store, clock: systemClock, node: NODE, cluster: CLUSTER })
  await journal.open()
  const owner = await found(journal)
  const { blobs, uploads } = disk
  const durability = durableAlone(journal.tables)
  const registry = createRegistry({ journal, blobs, uploads, source, durability })
  let number = 0
  return {
    root,
    disk,
    journal,
    registry,
    project: async (name) => {
      number++
      const facts = { name, number, owner, ownerMember: number, metadata: {} }
      const { ids } = await journal.commit(AUTHORITY, () => [op('project.created', facts, 'node')])
      return ids[0] as string
    },
    close: async () => {
      await journal.close()
      await store.close()
      await disk.close()
    },
  }
}

/** A cluster of one with one user, made once for each directory. @returns the user's id */
async function found(journal: SingleNodeJournal): Promise<string> {
  for await (const { key } of journal.tables.list('users')) return key
  const facts = { name: 'one', site: 's', addresses: [], swarm: [], url: null, tokenKey: KEY, sealKey: KEY }
  await journal.commit(AUTHORITY, () => foundingOps(GENESIS, NODE, facts))
  const person = { name: 'owner', number: 1, email: '', realname: '', comment: '', admin: false }
  const user = op('user.created', { ...person, passwordHash: '$argon2id$x' }, 'node')
  const { ids } = await journal.commit(AUTHORITY, () => [user])
  return ids[0] as string
}

export interface ServerUnderTest extends RegistryUnderTest {
  readonly url: string
  readonly port: number
  stopServer(): Promise<void>
}

export interface ServerOptions {
  readonly access?: RegistryAccess
  readonly source?: BlobSource
  readonly logger?: Logger
  readonly projects?: readonly string[]
  readonly routes?: readonly RouteModule[]
  /** A directory that outlives the server; without it one is made and removed. */
  readonly root?: string
}

/** A registry behind a real server on a free port of this host. */
export async function startRegistry(options: ServerOptions = {}): Promise<ServerUnderTest> {
  const { access = openAccess, source, logger = silentLogger, projects = ['team'] } = options
  const directory = options.root === undefined ? await temporaryDirectory() : undefined
  const under = await openRegistry(options.root ?? directory?.path ?? '', source)
  for (const project of projects) await under.project(project)
  const routes = [registryRoutes({ registry: under.registry, access }), ...(options.routes ?? [])]
  const parts = { routes, logger, random: systemRandom, timers: systemTimers }
  const server = new HttpServer(parts, { host: '127.0.0.1', port: 0 })
  await server.start()
  const { port } = server.address
  return {
    ...under,
    port,
    url: `http://127.0.0.1:${port}`,
    stopServer: () => server.stop(),
    close: async () => {
      await server.stop()
      await under.close()
      await directory?.remove()
    },
  }
}

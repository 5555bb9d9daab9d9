import { existsSync, readFileSync } from 'node:fs'
import { mkdir, readFile, rm } from 'node:fs/promises'
import { isIPv6 } from 'node:net'
import { join } from 'node:path'
import { Accounts } from './access/accounts.ts'
import { layFoundations } from './access/foundations.ts'
import { CatchingUp } from './access/knowledge.ts'
import { LoginThrottle } from './access/login-throttle.ts'
import { Logins } from './access/logins.ts'
import { Passwords } from './access/passwords.ts'
import { Recovery } from './access/recovery.ts'
import { RegistryDoor } from './access/registry-access.ts'
import { RoleBoundJournal } from './access/role-bound-journal.ts'
import { openTokenKey, type TokenKey } from './access/token-key.ts'
import { TokenIssuer, TokenVerifier } from './access/tokens.ts'
import { processContext } from './cli/context.ts'
import { checkMembership, type Standing } from './cli/doctor/membership.ts'
import { run } from './cli/run.ts'
import type {
  Check,
  Founded,
  InitOptions,
  Joined,
  JoinOptions,
  RunningNode,
  Runtime,
  ServeOptions,
} from './cli/runtime.ts'
import type { Config } from './config/config.ts'
import { remember } from './config/remembered.ts'
import { Conflicts } from './conflicts/conflicts.ts'
import { Repairs } from './conflicts/repairs.ts'
import { Fault, isFault } from './errors.ts'
import { apiRoutes } from './http/api/api.ts'
import { ControlSocket } from './http/api/control-socket.ts'
import { Health } from './http/health/health.ts'
import { journalProbe, recordsProbe, storageProbe } from './http/health/probes.ts'
import { healthRoutes } from './http/health/routes.ts'
import { metricsRoutes } from './http/metrics/routes.ts'
import { registryRoutes } from './http/oci/routes.ts'
import { HttpServer, type RouteModule, type TlsKeys } from './http/server.ts'
import { tokenRoutes } from './http/token/routes.ts'
import { evictionOf, reasonOf } from './journal/authority/evictions.ts'
import { Members } from './projects/members.ts'
import { Projects } from './projects/projects.ts'
import { alone } from './registry/alone.ts'
import type { BlobSource } from './registry/blob-source.ts'
import type { Collective, NodeParts, Participant } from './registry/collective.ts'
import { createRegistry } from './registry/registry.ts'
import { systemClock } from './runtime/clock.ts'
import { createLogger, type Logger, silentLogger } from './runtime/logger.ts'
import { systemRandom } from './runtime/random.ts'
import { systemTimers } from './runtime/timers.ts'
import { DiskBlobStore } from './store/disk/disk-blob-store.ts'
import { DiskUploadStore } from './store/disk/disk-upload-store.ts'
import { HashWorkers } from './store/disk/hash-workers.ts'
import { DiskLayout } from './store/disk/layout.ts'
import { LevelStore } from './store/level/level-store.ts'
import { StorageWatch } from './store/storage-watch.ts'

/*
 * The one file that sees everything. A node's data directory:
 *
 *   journal/        records: logs and tables, in Level
 *   blobs/          content, as plain files
 *   node.json       the name and site the node was made with (src/config/remembered.ts)
 *   token.key       signs registry tokens (0600)
 *   control.sock    the local operator's door, while the node runs (0600)
 *   …               what the collective keeps (cluster/membership/cluster-files.ts)
 */

// Loaded when it is wanted: a command that only talks to a running node shall not wait for libp2p.
let collective = async (): Promise<Collective> => alone
collective = async () => (await import('../cluster/cluster.ts')).cluster

interface Opened {
  readonly parts: NodeParts
  /** Takes up what clients had begun to push; what they push is hashed for `source`, too. */
  openUploads(source: BlobSource): Promise<DiskUploadStore>
  readonly storage: StorageWatch
  readonly tokenKey: TokenKey
  close(): Promise<void>
}

/** The node's own storage, open; nothing listens yet. */
async function openNode(config: Config, logger: Logger): Promise<Opened> {
  const { dataDir } = config
  await mkdir(dataDir, { recursive: true, mode: 0o700 })
  const directories = { journal: join(dataDir, 'journal'), blobs: join(dataDir, 'blobs') }
  const onDamage = (damage: Fault, times: number) => {
    // At powers of two: what is damaged may be asked for with every request.
    if ((times & (times - 1)) === 0) logger.error({ code: damage.code, err: damage, times }, damage.message)
  }
  const store = await LevelStore.open(directories.journal, onDamage).catch((error: unknown) => {
    if (!isFault(error, 'STORE_IN_USE')) throw error
    throw new Fault('DATA_DIR_IN_USE', `a running node has ${dataDir} open`, { dataDir }, error)
  })
  const hashing = new HashWorkers()
  const close = async () => {
    await hashing.stop()
    await store.close()
  }
  try {
    // Private images are for no other user of the machine.
    await mkdir(directories.blobs, { recursive: true, mode: 0o700 })
    const layout = new DiskLayout(directories.blobs)
    const blobs = new DiskBlobStore({ layout, hashing, random: systemRandom, clock: systemClock })
    await blobs.start()
    const openUploads = async ({ pieces }: BlobSource) => {
      const parts = { layout, hashing, random: systemRandom, clock: systemClock, pieces }
      const uploads = new DiskUploadStore(parts)
      await uploads.start()
      return uploads
    }
    const tokenKey = await openTokenKey(join(dataDir, 'token.key'))
    const settings = {
      name: config.node.name,
      site: config.node.site,
      tokenKey: tokenKey.publicKey,
      host: config.cluster.host,
      clusterPort: config.cluster.port,
      swarmPort: config.swarm.port,
      announce: config.cluster.announce,
      url: config.http.url,
    }
    const runtime = { clock: systemClock, random: systemRandom, timers: systemTimers, logger }
    const { warnBelowBytes } = config.disk
    const storage = new StorageWatch({ store, directories, warnBelowBytes })
    return { parts: { dataDir, store, blobs, settings, ...runtime }, openUploads, storage, tokenKey, close }
  } catch (error) {
    await close()
    throw error
  }
}

/** @throws Fault DATA_DIR_IN_USE when the directory already belongs to a cluster */
async function freshDirectory({ dataDir }: Config): Promise<void> {
  const membership = await (await collective()).membership(dataDir)
  if (membership) {
    const { clusterName, clusterId } = membership
    throw new Fault(
      'DATA_DIR_IN_USE',
      `${dataDir} belongs to cluster ${clusterName} (${clusterId.slice(0, 12)}): take another --data-dir`,
      { dataDir, clusterId },
    )
  }
  // What a crash during init or join left behind is no history.
  await rm(join(dataDir, 'journal'), { recursive: true, force: true })
}

async function init(config: Config, { clusterName, adminPassword }: InitOptions): Promise<Founded> {
  await freshDirectory(config)
  const node = await openNode(config, silentLogger)
  try {
    let admin: Founded['admin'] | undefined
    const { clusterId, nodeId, recoveryKey } = await (await collective()).found(
      node.parts,
      clusterName,
      async (journal) => {
        const passwords = new Passwords({ random: systemRandom })
        const accounts = new Accounts({ journal, passwords, random: systemRandom })
        const projects = new Projects({ journal, random: systemRandom })
        admin = await layFoundations({ accounts, projects, random: systemRandom }, { adminPassword })
      },
    )
    await remember(config)
    return { clusterId, nodeId, admin: admin as Founded['admin'], recoveryKey }
  } finally {
    await node.close()
  }
}

async function joinCluster(config: Config, invite: string, options: JoinOptions): Promise<Joined> {
  // A member comes in again with what it holds; the invite of another cluster is refused there.
  const again = await (await collective()).membership(config.dataDir)
  if (!again) await freshDirectory(config)
  const node = await openNode(config, silentLogger)
  try {
    const { clusterId, clusterName, nodeId } = await (await collective()).join(node.parts, invite, options)
    await remember(config)
    return { clusterId, clusterName, nodeId }
  } finally {
    await node.close()
  }
}

async function serve(config: Config, { log }: ServeOptions): Promise<RunningNode> {
  const { dataDir } = config
  if (!(await (await collective()).membership(dataDir))) {
    throw new Fault('NODE_NOT_INITIALISED', `there is no node in ${dataDir} yet`, { dataDir })
  }
  const logger = createLogger(config.log.level, log)
  const tls = await readTls(config)
  const node = await openNode(config, logger)
  const closing = [() => node.close()]
  const stop = async () => {
    for (const close of closing.splice(0).reverse()) await close()
  }
  try {
    const participant = await (await collective()).open(node.parts)
    closing.push(() => participant.stop())
    await participant.start()

    const uploads = await node.openUploads(participant.blobs)
    const doors = compose(config, node, uploads, participant)
    const shell = { logger, random: systemRandom, timers: systemTimers }
    const control = new ControlSocket(
      { ...shell, routes: doors.control },
      { path: join(dataDir, 'control.sock') },
    )
    await control.start()
    closing.push(() => control.stop())

    const { host, port } = config.http
    const server = new HttpServer({ ...shell, routes: doors.public }, { host, port, ...(tls && { tls }) })
    await server.start()
    closing.push(() => server.stop())

    const scheme = tls ? 'https' : 'http'
    const bound = `${scheme}://${isIPv6(host) ? `[${host}]` : host}:${server.address.port}`
    const urls = [config.http.url ?? bound]
    await participant.announce(urls[0] as string)
    logger.info({ node: participant.nodeId, url: urls[0], site: config.node.site }, 'this node serves')
    const { nodeId, clusterId, clusterName, ended } = participant
    return { nodeId, clusterId, clusterName, urls, addresses: participant.addresses(), stop, ended }
  } catch (error) {
    await stop()
    throw listenFault(error)
  }
}

/** The rooms of one node, wired; what is let in by which door. */
function compose(
  config: Config,
  { parts, storage, tokenKey }: Opened,
  uploads: DiskUploadStore,
  { journal: unbound, blobs: source, placement, topology }: Participant,
): { public: RouteModule[]; control: RouteModule[] } {
  const { clock, random, timers, logger } = parts
  const journal = new RoleBoundJournal(unbound)
  const { tables } = journal
  const passwords = new Passwords({ random })
  const accounts = new Accounts({ journal, passwords, random })
  const logins = new Logins({ tables, passwords, throttle: new LoginThrottle({ clock }), clock, random })
  const projects = new Projects({ journal, random })
  const recovery = new Recovery({ journal, passwords })
  const members = new Members({ journal, random })
  const conflicts = new Conflicts({ tables })
  const repairs = new Repairs({ journal, accounts, projects, members })
  const tokens = new TokenVerifier({ journal, clock })
  const issuer = new TokenIssuer({ journal, key: tokenKey, clock, random, seconds: config.token.ttlSeconds })
  const access = new RegistryDoor({ tables, logins, tokens, catchingUp: new CatchingUp({ journal, timers }) })
  const { durability } = placement
  const registry = createRegistry({ journal, blobs: parts.blobs, uploads, source, durability })
  const health = new Health({
    probes: [journalProbe(journal), recordsProbe(storage), storageProbe(parts.blobs)],
    timers,
    clock,
    logger,
  })
  const externalUrl = config.http.url
  const api = {
    tables,
    accounts,
    logins,
    projects,
    members,
    recovery,
    conflicts,
    repairs,
    topology,
    placement: placement.view,
    storage,
    health,
    clock,
    version,
    externalUrl,
  }
  return {
    public: [
      registryRoutes({ registry, access }),
      tokenRoutes({ tables, logins, issuer }),
      apiRoutes(api, { door: 'public' }),
      metricsRoutes(api, { door: 'public' }),
      healthRoutes({ health }),
    ],
    control: [
      apiRoutes(api, { door: 'control' }),
      metricsRoutes(api, { door: 'control' }),
      healthRoutes({ health }),
    ],
  }
}

/** @throws Fault TLS_UNREADABLE */
async function readTls({ http: { tls } }: Config): Promise<TlsKeys | undefined> {
  if (!tls) return undefined
  const read = (path: string, setting: string) =>
    readFile(path).catch((error: unknown) => {
      throw new Fault('TLS_UNREADABLE', `${setting}: ${path} cannot be read`, { path }, error)
    })
  return { cert: await read(tls.cert, 'http.tls.cert'), key: await read(tls.key, 'http.tls.key') }
}

/** A port that is taken, said as such, whichever listener found out. */
function listenFault(error: unknown): unknown {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    const { code, port, address } = cause as NodeJS.ErrnoException & { port?: number; address?: string }
    if (code === 'EADDRINUSE') {
      return new Fault('PORT_IN_USE', `port ${port} on ${address} is in use`, { port, address }, error)
    }
    if (code === 'EACCES' && port !== undefined) {
      return new Fault('PORT_IN_USE', `port ${port} may not be used by this user`, { port, address }, error)
    }
  }
  return error
}

async function inspect(config: Config): Promise<readonly Check[]> {
  const name = 'journal'
  const membership = await (await collective()).membership(config.dataDir)
  if (!membership) {
    const advice = 'flotilla init, or flotilla join INVITE'
    return [{ name, status: 'skip', detail: 'the directory belongs to no cluster yet', advice }]
  }
  let node: Opened
  try {
    node = await openNode(config, silentLogger)
  } catch (error) {
    if (isFault(error, 'DATA_DIR_IN_USE')) return [{ name, status: 'ok', detail: 'open in the running node' }]
    if (isFault(error, 'STORE_DAMAGED', 'STORE_UNREADABLE'))
      return [{ name, status: 'fail', detail: error.message }]
    throw error
  }
  try {
    const participant = await (await collective()).open(node.parts)
    const feeds = Object.values(participant.journal.frontier())
    const entries = feeds.reduce((sum, seq) => sum + seq, 0)
    const detail = `${entries} entries in ${feeds.length} logs, state ${participant.journal.stateHash().slice(0, 12)}`
    const membership = checkMembership(standingOf(participant))
    await participant.stop()
    return [membership, { name, status: 'ok', detail }]
  } catch (error) {
    const advice = 'restore the directory from a backup, or let the node join anew'
    return [{ name, status: 'fail', detail: error instanceof Error ? error.message : String(error), advice }]
  } finally {
    await node.close()
  }
}

function standingOf({ journal, nodeId, clusterName }: Participant): Standing {
  const { tables } = journal
  const state = tables.get('nodes', nodeId)?.state
  const eviction = state === 'evicted' ? evictionOf(tables, nodeId) : undefined
  const by = eviction && (tables.get('nodes', eviction.author)?.name ?? eviction.author)
  return { clusterName, state, by, why: eviction && reasonOf(eviction) }
}

/** From package.json, which stands one level further up once the sources are built. */
const version = (() => {
  const [manifest] = ['../package.json', '../../package.json']
    .map((path) => new URL(path, import.meta.url))
    .filter((url) => existsSync(url))
  return manifest ? (JSON.parse(readFileSync(manifest, 'utf8')) as { version: string }).version : '0.0.0'
})()

const runtime: Runtime = { version, init, join: joinCluster, serve, inspect }

/** @param words of the command line, without the program's own name; @returns the exit code */
export function main(words: readonly string[]): Promise<number> {
  return run(words, processContext(runtime))
}

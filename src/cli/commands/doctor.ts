import { join } from 'node:path'
import type { Command } from 'commander'
import type { Config } from '../../config/config.ts'
import { Fault, isFault } from '../../errors.ts'
import type { ClusterStatus, LedgerFacts } from '../../registry/topology.ts'
import type { ApiStorage } from '../api-shapes.ts'
import { CONTROL_SOCKET } from '../connection.ts'
import type { CliContext } from '../context.ts'
import { checkPort } from '../doctor/ports.ts'
import { checkNode } from '../doctor/process.ts'
import { checkClock, checkDataDir, checkDisk, checkSocketPath } from '../doctor/storage.ts'
import { checkTls } from '../doctor/tls.ts'
import { NodeApi } from '../node-api.ts'
import type { Check } from '../runtime.ts'
import { addSettingFlags, configFor } from '../setting-flags.ts'
import { table } from '../table.ts'
import type { Paint } from '../terminal.ts'

const PAINTS: Readonly<Record<Check['status'], Paint>> = {
  ok: 'green',
  warn: 'yellow',
  fail: 'red',
  skip: 'dim',
}

export function addDoctor(program: Command, context: CliContext): void {
  const command = program
    .command('doctor')
    .summary('look for what would keep a node from running')
    .description(
      'Looks at Node, disk, ports, clock, certificate and journal. Exit code 1 when something would keep the node from running.',
    )
    .option('--json', 'print one line of JSON')
  addSettingFlags(command).action(() => doctor(command, context))
}

async function doctor(command: Command, context: CliContext): Promise<void> {
  const { terminal } = context
  const { config } = configFor(command, context)
  const checks = await examine(config, context)
  if (command.opts<{ json?: boolean }>().json) {
    terminal.out(JSON.stringify(checks))
  } else {
    const rows = checks.map(({ name, status, detail }) => [
      name,
      terminal.paint(PAINTS[status], status),
      detail,
    ])
    terminal.out(table(['check', 'result', 'detail'], rows))
    for (const { name, status, advice } of checks) {
      if (status !== 'ok' && advice !== undefined) terminal.out(`\n${name}: ${advice}`)
    }
  }
  const failed = checks.filter(({ status }) => status === 'fail').length
  if (failed > 0) throw new Fault('UNHEALTHY', failed === 1 ? '1 check failed' : `${failed} checks failed`)
}

async function examine(config: Config, context: CliContext): Promise<readonly Check[]> {
  const { dataDir, http, cluster, swarm, disk } = config
  const node = await askNode(dataDir, context)
  const running = node !== undefined
  const listeners = [
    { purpose: 'http', host: http.host, port: http.port, flag: '--http-port' },
    { purpose: 'cluster', host: cluster.host, port: cluster.port, flag: '--cluster-port' },
    { purpose: 'swarm', host: cluster.host, port: swarm.port, flag: '--swarm-port' },
  ]
  return [
    checkNode(process.versions.node),
    await checkDataDir(dataDir),
    checkSocketPath(dataDir),
    await checkDisk(dataDir, disk.warnBelowBytes),
    await checkClock(dataDir, context.clock),
    ...(await Promise.all(listeners.map((listener) => checkPort(listener, running)))),
    ...(http.tls === null ? [] : [await checkTls(http.tls, context.clock)]),
    ...(node === undefined ? await context.runtime.inspect(config) : checkCluster(node, dataDir)),
  ]
}

type Status = ClusterStatus & ApiStorage

/** What the running node says, if only of its disk; undefined when none runs on the directory. */
async function askNode(dataDir: string, { interrupted }: CliContext): Promise<Status | Fault | undefined> {
  try {
    return await new NodeApi({ socket: join(dataDir, CONTROL_SOCKET) }, interrupted).get<Status>('/cluster')
  } catch (error) {
    if (isFault(error, 'STORE_DAMAGED', 'STORE_UNREADABLE')) return error
    if (isFault(error, 'NODE_NOT_RUNNING', 'NOT_PERMITTED', 'NODE_UNREACHABLE')) return undefined
    throw error
  }
}

/** The journal of a running node, compared with those of the others. */
function checkCluster(node: Status | Fault, dataDir: string): Check[] {
  if (node instanceof Fault) return [unreadable(node, dataDir)]
  const { members, stateHash, ledger, storage } = node
  const others = members.filter(({ self, state }) => !self && state === 'member')
  const away = others.filter(({ connected }) => !connected).map(({ name }) => name)
  const diverged = others.filter(({ sync }) => sync === 'diverged').map(({ name }) => name)
  const connections: Check =
    away.length === 0
      ? { name: 'members', status: 'ok', detail: `${others.length} others, all connected` }
      : {
          name: 'members',
          status: 'warn',
          detail: `no connection to ${away.join(', ')}`,
          advice: 'are they running, and their cluster ports reachable from here?',
        }
  const journal: Check =
    diverged.length === 0
      ? { name: 'journal', status: 'ok', detail: `records ${stateHash.slice(0, 12)}` }
      : {
          name: 'journal',
          status: 'fail',
          detail: `same entries and other records than ${diverged.join(', ')}`,
          advice: 'do all members run the same version? report this otherwise',
        }
  return [connections, journal, checkRecords(ledger, storage)]
}

const RECORDS = 'records on disk'
const REPLACE = 'a disk that did this once does it again: replace it'

/** So damaged that the node cannot even say how it is. */
function unreadable({ code }: Fault, dataDir: string): Check {
  const journal = join(dataDir, 'journal')
  const detail = `the running node cannot read its records in ${journal} (${code})`
  const anew = `stop it, move ${journal} away and start again: the node takes its records from the other members; alone, it needs its backup. ${REPLACE}`
  const advice = code === 'STORE_DAMAGED' ? anew : 'the log of the node says why'
  return { name: RECORDS, status: 'fail', detail, advice }
}

/** What the running node has found of its disk by itself. */
function checkRecords(ledger: LedgerFacts, storage: ApiStorage['storage']): Check {
  const { damagedEntries, damagedTables, mendedEntries, mendedRows, looks, failedLooks } = ledger
  if (storage?.damage) return { name: RECORDS, status: 'fail', detail: storage.damage, advice: REPLACE }
  const advice = '`flotilla check` reads them all now; replace the disk'
  if (damagedEntries > 0 || damagedTables.length > 0) {
    const detail = `${damagedEntries} damaged log entries, ${damagedTables.length} damaged families of tables`
    return { name: RECORDS, status: 'fail', detail, advice }
  }
  if (failedLooks > 0) {
    const detail = `records could not be read ${failedLooks} times since the start`
    return { name: RECORDS, status: 'fail', detail, advice }
  }
  if (mendedEntries > 0 || mendedRows > 0) {
    const detail = `${mendedEntries} log entries and ${mendedRows} rows were damaged, and are mended`
    return { name: RECORDS, status: 'warn', detail, advice }
  }
  const detail =
    looks === 0 ? 'not read through yet since the start' : `read through ${looks} times since the start`
  return { name: RECORDS, status: 'ok', detail }
}

import { setTimeout as sleep } from 'node:timers/promises'
import { Caller } from './caller.ts'
import type { Ending, FinalWrite } from './checkers/check.ts'
import { PATIENCE_MS } from './checkers/ending.ts'
import { isHonest } from './checkers/processes.ts'
import { isNotNow } from './checkers/pushes.ts'
import { type ChaosCluster, SMALL } from './cluster.ts'
import type { Call, History } from './history.ts'
import type { ChaosNode } from './node.ts'
import { both } from './partitions.ts'
import { compareWithReference } from './reference.ts'
import type { Seeded } from './seeded.ts'
import type { Workload } from './workload.ts'

/** A read at the end may have to fetch bytes from a member first. */
const FINAL_ANSWER_MS = 20_000
const RETRY_MS = 200
/** Pushes every node is asked for in the end, beside all of its own. */
const SAMPLE = 8
const COMPLAINT = /unhandled|uncaught|fatal/i
const ERROR_LEVEL = 50
const FULL = /ENOSPC|no space|is full|STORAGE_FULL/i

/** What of Harbor's user is read here. */
interface UserShape {
  readonly username: string
  readonly user_id: number
}

interface Parts {
  readonly cluster: ChaosCluster
  readonly history: History
  readonly workload: Workload
  readonly random: Seeded
}

/** What stands when the faults are over: measured here, judged by the checkers. */
export async function settle(parts: Parts, { duel }: { duel: boolean }): Promise<Ending> {
  const { cluster, history } = parts
  for (const node of cluster.nodes) if (!node.runs) await node.start().catch(() => {})
  const agreement = await cluster.agreement(PATIENCE_MS)
  history.note({ agreement })
  const writes = await Promise.all(cluster.nodes.map((node) => finalWrite(parts, node)))
  history.phase = 'final'
  await finalReads(parts)
  history.phase = 'storm'
  const adminsAfterDuel = duel ? await fightAmongAdmins(parts) : undefined
  const comparable = cluster.isOurs && (await cluster.agreement(PATIENCE_MS)).agreed
  const reference = comparable ? await compareWithReference(parts.random.pick(cluster.nodes)) : undefined
  const ending: Ending = {
    agreement,
    writes,
    adminsAfterDuel,
    reference,
    crashes: cluster.nodes.flatMap((node) => node.crashes.splice(0)),
    logLines: (await Promise.all(cluster.nodes.map(complaints))).flat(),
  }
  history.note({ ending })
  return ending
}

/** I10: a push at the node, tried until it is taken, and then at every node until it is there. */
async function finalWrite({ cluster, history, workload }: Parts, node: ChaosNode): Promise<FinalWrite> {
  const begun = performance.now()
  const passed = () => Math.round(performance.now() - begun)
  const caller = new Caller(`last word at ${node.name}`, history)
  const [project = ''] = workload.projects
  const at = { project, repository: `${project}/last`, tag: node.name }
  const layer = Buffer.from(`last word of ${workload.label} at ${node.name}`)
  let digest: string | undefined
  while (digest === undefined) {
    const call = await caller.push(node, cluster.admin, at, layer)
    if (call?.outcome === 'ok') digest = call.op.digest
    else if (passed() > PATIENCE_MS)
      return { node: node.name, acknowledgedMs: undefined, reachedMs: undefined, missing: [] }
    else await sleep(RETRY_MS)
  }
  const acknowledgedMs = passed()
  let missing = cluster.nodes
  while (missing.length > 0 && passed() - acknowledgedMs <= PATIENCE_MS) {
    const still: ChaosNode[] = []
    for (const other of missing) {
      const call = await caller.registry(other, cluster.admin, 'GET', { kind: 'read.tag', ...at })
      if (call.digest !== digest) still.push(other)
    }
    missing = still
    if (missing.length > 0) await sleep(RETRY_MS)
  }
  const reachedMs = missing.length === 0 ? passed() : undefined
  return { node: node.name, acknowledgedMs, reachedMs, missing: missing.map(({ name }) => name) }
}

/** Comes again where the answer is "not now" or breaks off: links may be a moment behind the records. */
async function untilAnswered(ask: () => Promise<Call>): Promise<void> {
  const begun = performance.now()
  while (isNotNow(await ask()) && performance.now() - begun < PATIENCE_MS) await sleep(RETRY_MS)
}

/** What everybody sees now: lists, pushes, and whether those who lost a right still have it. */
async function finalReads({ cluster, history, workload, random }: Parts): Promise<void> {
  const { admin } = cluster
  const deleted = new Set(
    history.calls
      .filter(({ op, outcome }) => outcome !== 'fail' && op.kind === 'manifest.delete')
      .map(({ op }) => `${op.repository} ${op.digest}`),
  )
  const doomed = new Set(
    history.calls
      .filter(({ op, outcome }) => outcome !== 'fail' && op.kind === 'project.delete')
      .map(({ op }) => op.project),
  )
  const standing = workload.pushed.filter(
    (one) => !deleted.has(`${one.repository} ${one.digest}`) && !doomed.has(one.project),
  )
  const sample = random.shuffled(standing).slice(0, SAMPLE)
  const revoked = history.calls.filter(({ op, outcome }) => outcome === 'ok' && op.kind === 'member.revoke')
  await Promise.all(
    cluster.nodes.map(async (node) => {
      const caller = new Caller(`final at ${node.name}`, history, FINAL_ANSWER_MS)
      await caller.api(node, admin, 'GET', `/users?page_size=100&username=u${workload.label}x`, {
        kind: 'list.users',
      })
      for (const project of workload.projects) {
        const path = `/projects/${project}/members?page_size=100`
        if (!doomed.has(project))
          await caller.api(node, admin, 'GET', path, { kind: 'list.members', project })
      }
      for (const one of new Set([...standing.filter((one) => one.node === node.name), ...sample]))
        await untilAnswered(() => workload.pull(caller, node, admin, one))
      const pairs = new Map(revoked.map(({ op }) => [`${op.user} ${op.project}`, op]))
      for (const { user, project = '' } of pairs.values()) {
        const who = workload.users.find(({ username }) => username === user)
        if (who) await caller.api(node, who, 'GET', `/projects/${project}`, { kind: 'read.project', project })
      }
      for (const who of workload.users) {
        await workload.readAdmin(caller, node, who)
        await workload.readAccount(caller, node, who)
      }
    }),
  )
}

/**
 * I12: two sites that do not hear each other take the right from one administrator each, until nobody would
 * have it. What is left when they have heard is told; then everything is put right again by the operator.
 */
async function fightAmongAdmins({
  cluster,
  history,
  workload,
  random,
}: Parts): Promise<readonly string[] | undefined> {
  const [here, there] = random.shuffled(cluster.nodes.slice(0, SMALL)) as [ChaosNode, ChaosNode]
  const named = async (node: ChaosNode, query: string) =>
    ((await node.operator('GET', `/users?page_size=100&${query}`)).body as UserShape[]).map(
      ({ username, user_id }) => ({ username, id: user_id }),
    )
  const admins = (node: ChaosNode) => named(node, 'q=sysadmin_flag=true')
  const set = async (node: ChaosNode, id: number, flag: boolean) =>
    (await node.operator('PUT', `/users/${id}/sysadmin`, { sysadmin_flag: flag })).status
  const seed = (await admins(here)).find(({ username }) => username === cluster.admin.username)
  const [deputy] = workload.users
  const [rival] = deputy ? await named(here, `username=${deputy.username}`) : []
  if (!seed || !rival) return undefined
  await set(here, rival.id, true)
  for (const { id } of await admins(here)) if (id !== seed.id && id !== rival.id) await set(here, id, false)
  if (!(await cluster.agreement(PATIENCE_MS)).agreed) return undefined
  const apart = cluster.nodes.filter((node) => node !== here).map(({ place }) => place.index)
  history.fault('duel', `${here.name} against ${there.name}`)
  await cluster.network.cut(apart.flatMap((other) => both(here.place.index, other)))
  const statuses = [await set(here, seed.id, false), await set(there, rival.id, false)]
  await cluster.network.cut([])
  history.fault('duel', `over: ${statuses.join(' ')}`)
  await cluster.agreement(PATIENCE_MS)
  const left = (await admins(here)).map(({ username }) => username)
  await set(here, seed.id, true)
  await cluster.agreement(PATIENCE_MS)
  return left
}

/** Lines in which a node says that something is wrong with itself. */
async function complaints(node: ChaosNode): Promise<{ node: string; line: string }[]> {
  const small = node.place.index === SMALL
  return (await node.newLogLines())
    .filter((line) => isComplaint(line) && !(small && FULL.test(line)))
    .map((line) => ({ node: node.name, line }))
}

function isComplaint(line: string): boolean {
  if (COMPLAINT.test(line)) return true
  if (!line.startsWith('{')) return /^\s*at /.test(line)
  const { level, room, status } = JSON.parse(line) as { level: number; room?: string; status?: number }
  // An answer is judged where it arrived.
  return level >= ERROR_LEVEL && !(room === 'http' && status !== undefined && isHonest(status))
}

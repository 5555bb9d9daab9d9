import { randomBytes } from 'node:crypto'
import { cp, readFile, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, expect, test } from 'vitest'
import { client } from '../support/clients.ts'
import {
  agreed,
  type Cluster,
  freePorts,
  NodeProcess,
  PATIENCE_MS,
  startCluster,
} from '../support/cluster.ts'
import { cut } from '../support/cut.ts'
import { NodeClient } from '../support/node-client.ts'

const UNMINDFUL = join(import.meta.dirname, '../support/unmindful.ts')

let cluster: Cluster
let first: NodeProcess
let second: NodeProcess
const more: NodeProcess[] = []
let mend: (() => Promise<void>) | undefined

beforeAll(async () => {
  cluster = await startCluster(2)
  ;[first, second] = cluster.nodes as [NodeProcess, NodeProcess]
}, 3 * PATIENCE_MS)
afterEach(() => mend?.())
afterAll(async () => {
  await Promise.all(more.map((node) => node.kill('SIGKILL')))
  await cluster?.stop()
})

const tell = (figures: string) => process.stdout.write(`${figures}\n`)

const memberAt = async (node: NodeProcess, name: string) =>
  (await node.status()).members.find((member) => member.name === name)

/** A member, joined and served. */
async function another(
  name: string,
  environment?: (ports: number[]) => NodeJS.ProcessEnv,
): Promise<NodeProcess> {
  const ports = await freePorts(3)
  const node = new NodeProcess(name, cluster.root, ports, environment?.(ports))
  more.push(node)
  const { invite } = await first.json<{ invite: string }>('invite')
  await node.cli('join', invite)
  await node.serve()
  await agreed([first, second, node])
  return node
}

/** Serves a node that may end of itself before it is ready. */
const begin = (node: NodeProcess) => node.serve().catch(() => {})

const hasUser = async (node: NodeProcess, name: string) =>
  JSON.stringify(
    (await new NodeClient(node, cluster.admin).api('GET', '/users?page_size=100')).body,
  ).includes(`"${name}"`)

test('a node that was down while it was evicted hears of it once it is back, and stops', {
  timeout: 4 * PATIENCE_MS,
}, async () => {
  const shop = await another('shop')
  await shop.kill('SIGTERM')
  await first.cli('evict', 'shop', '--yes', '--reason', 'sold with the house')
  expect(await memberAt(first, 'shop')).toMatchObject({ state: 'evicted', reason: 'sold with the house' })
  const since = performance.now()
  await begin(shop)
  await expect.poll(() => shop.runs, { timeout: PATIENCE_MS, interval: 50 }).toBe(false)
  tell(`the evicted node had stopped ${Math.round(performance.now() - since)} ms after it was started`)
  expect(await readFile(shop.log, 'utf8')).toContain('this node was evicted from the cluster')
  // It is on its own record: started again without anybody to tell it, it stops as well.
  await Promise.all([first, second].map((node) => node.kill('SIGTERM')))
  await begin(shop)
  await expect.poll(() => shop.runs, { timeout: PATIENCE_MS, interval: 50 }).toBe(false)
  // Whoever looks why is told so, and what to do.
  await expect(shop.cli('doctor')).rejects.toThrow(
    /membership\s+fail\s+this node was evicted .* by node1 \(sold with the house\)[^]*flotilla invite/,
  )
  await first.serve()
  await second.serve()
  await agreed([first, second])
})

test('a node that left says so on one line, and its doctor says that it serves no more and what to do', {
  timeout: 4 * PATIENCE_MS,
}, async () => {
  const quay = await another('quay')
  const { id } = (await memberAt(quay, 'quay')) ?? {}
  expect(await quay.json('leave', '--yes')).toMatchObject({ node: id, name: 'quay', told: true })
  await expect.poll(() => quay.runs, { timeout: PATIENCE_MS, interval: 50 }).toBe(false)
  await expect(quay.cli('doctor')).rejects.toThrow(
    /membership\s+fail\s+this node has left cluster [^]*flotilla invite/,
  )
  await expect.poll(async () => (await memberAt(first, 'quay'))?.state, { timeout: PATIENCE_MS }).toBe('left')
})

test('an evicted node that does not mind gets no byte of blobs or records, and its old keys open nothing', {
  timeout: 6 * PATIENCE_MS,
}, async () => {
  const bytesFile = join(cluster.root, 'thief.bytes')
  const thief = await another('thief', (ports) => ({
    NODE_OPTIONS: `--import=${UNMINDFUL}`,
    FLOTILLA_TEST_BYTES: bytesFile,
    FLOTILLA_TEST_PORTS: JSON.stringify({
      ...Object.fromEntries([first, second].map(({ ports }) => [ports.cluster, 'cluster'])),
      ...Object.fromEntries([first, second].map(({ ports }) => [ports.swarm, 'swarm'])),
      [ports[1] as number]: 'cluster',
      [ports[2] as number]: 'swarm',
    }),
  }))
  /** What its sockets read in a stretch of time. */
  const bytesRead = async (from: number, to: number) => {
    const sums = { cluster: 0, swarm: 0 }
    for (const line of (await readFile(bytesFile, 'utf8')).trimEnd().split('\n')) {
      const { at, kind, bytes } = JSON.parse(line) as { at: number; kind: 'cluster' | 'swarm'; bytes: number }
      if (at > from && at <= to) sums[kind] += bytes
    }
    return sums
  }
  const admin = new NodeClient(first, cluster.admin)
  const there = new NodeClient(thief, cluster.admin)
  const layers = [randomBytes(2 << 20), randomBytes(8 << 20)] as const
  const [small, large] = await Promise.all(layers.map((layer) => admin.pushBlob('library/app', layer)))
  await admin.pushImage('library/app', 'small', layers[0])
  await admin.pushImage('library/app', 'large', layers[1])
  await agreed([first, second, thief])
  // The count counts: what it pulls while it belongs goes through its sockets.
  const begun = Date.now()
  expect((await there.pull('library/app', `blobs/${small?.digest}`)).status).toBe(200)
  await sleep(100)
  const whole = await bytesRead(begun, Date.now())
  tell(`read while it belonged, for a layer of 2 MiB: ${JSON.stringify(whole)}`)
  expect(whole.swarm + whole.cluster).toBeGreaterThan(2 << 20)
  await thief.kill('SIGTERM')
  const disk = join(cluster.root, 'thief-disk')
  await cp(thief.dataDir, disk, { recursive: true })
  await thief.serve()
  await agreed([first, second, thief])
  const entriesAt = async () => (await thief.status()).lanes.map(({ lane, entries }) => `${lane} ${entries}`)

  const { status } = await admin.api('POST', '/cluster/members/thief/eviction', { compromised: true })
  expect(status).toBe(200)
  const evictedAt = Date.now()
  // Everybody goes on, so that there is something to get; and it asks for what it knows of.
  const pulls: number[] = []
  const isOver = () => Date.now() > evictedAt + 6_000
  const pulling = (async () => {
    while (!isOver()) {
      pulls.push((await there.pull('library/app', `blobs/${large?.digest}`)).status)
      await sleep(100)
    }
  })()
  await sleep(1_000)
  const [cutOffAt, entries] = [Date.now(), await entriesAt()]
  await admin.pushImage('library/app', 'later', randomBytes(1 << 20))
  const account = { username: 'later', password: 'Later-Horse-1', email: 'l@example.org', realname: 'L' }
  expect((await admin.api('POST', '/users', account)).status).toBe(201)
  await pulling
  const [farewell, after] = [await bytesRead(evictedAt, cutOffAt), await bytesRead(cutOffAt, Date.now())]
  tell(
    `read by the evicted node: in the first ${cutOffAt - evictedAt} ms ${JSON.stringify(farewell)}, ` +
      `in the ${Date.now() - cutOffAt} ms after ${JSON.stringify(after)}; ${pulls.length} pulls: ${[...new Set(pulls)].join()}`,
  )
  expect(pulls.length).toBeGreaterThan(0)
  expect(pulls).not.toContain(200)
  // Of blobs nothing; on the wire of members handshakes that end, and the word.
  expect(farewell.swarm + after.swarm).toBeLessThan(16_384)
  expect(farewell.cluster + after.cluster).toBeLessThan(65_536)
  expect(await entriesAt()).toEqual(entries)
  expect(await hasUser(thief, 'later')).toBe(false)
  for (const node of [first, second])
    expect(await memberAt(node, 'thief')).toMatchObject({ state: 'evicted', connected: false })

  // Its disk as it was before: it knows nothing of the eviction, everybody's address, and the keys of then.
  await thief.kill('SIGKILL')
  await rm(thief.dataDir, { recursive: true })
  await cp(disk, thief.dataDir, { recursive: true })
  const backAt = Date.now()
  await thief.serve()
  expect((await memberAt(thief, 'thief'))?.state).toBe('member')
  await thief.cli('user', 'create', 'backdoor')
  const refused = new Set<number>()
  while (Date.now() < backAt + 10_000) {
    refused.add((await there.pull('library/app', `blobs/${large?.digest}`)).status)
    await sleep(100)
  }
  const again = await bytesRead(backAt, Date.now())
  tell(
    `back with its old keys, in ${Date.now() - backAt} ms: ${JSON.stringify(again)}; pulls: ${[...refused].join()}`,
  )
  expect([...refused]).not.toContain(200)
  expect(again.swarm).toBeLessThan(16_384)
  expect(again.cluster).toBeLessThan(65_536)
  expect((await thief.status()).members.filter(({ self, connected }) => connected && !self)).toEqual([])
  expect(await hasUser(thief, 'later')).toBe(false)
  for (const node of [first, second]) {
    expect(await memberAt(node, 'thief')).toMatchObject({ state: 'evicted', connected: false })
    expect(await hasUser(node, 'backdoor')).toBe(false)
  }
  await thief.kill('SIGKILL')
  const { invite } = await first.json<{ invite: string }>('invite')
  await expect(thief.cli('join', invite)).rejects.toThrow(/evicted/)
})

test('two halves that evicted each other agree when the link is back: who founded stays, the other stops', {
  timeout: 6 * PATIENCE_MS,
}, async (context) => {
  const iptables = client('iptables')
  if (!iptables || process.getuid?.() !== 0)
    return context.skip('iptables, or the right to use it, is missing')
  mend = await cut(iptables, [first, second])
  const isAlone = async () =>
    (await Promise.all([first, second].map((node) => node.status()))).every(({ members }) =>
      members.every(({ self, connected }) => self || !connected),
    )
  await expect.poll(isAlone, { timeout: PATIENCE_MS, interval: 250 }).toBe(true)
  // The junior acts first, by the clock; that decides nothing.
  await second.cli('evict', 'node1', '--yes')
  await first.cli('evict', 'node2', '--yes')
  expect(await memberAt(second, 'node1')).toMatchObject({ state: 'evicted' })
  expect(await memberAt(first, 'node2')).toMatchObject({ state: 'evicted' })
  await mend()
  const since = performance.now()
  await expect.poll(() => second.runs, { timeout: PATIENCE_MS, interval: 50 }).toBe(false)
  tell(`one half had stopped ${Math.round(performance.now() - since)} ms after the link was back`)
  expect(await readFile(second.log, 'utf8')).toContain('this node was evicted from the cluster')
  await expect
    .poll(() => first.cli('conflicts', '--all'), { timeout: PATIENCE_MS, interval: 500 })
    .toContain('node2')
  expect(first.runs).toBe(true)
  const { members } = await first.status()
  expect(
    members.filter(({ name }) => name === 'node1' || name === 'node2').map(({ state }) => state),
  ).toEqual(['member', 'evicted'])
})

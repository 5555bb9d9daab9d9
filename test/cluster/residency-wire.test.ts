import { execFileSync } from 'node:child_process'
import { createHash, randomBytes } from 'node:crypto'
import { mkdirSync } from 'node:fs'
import { mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { clients } from '../support/clients.ts'
import { Network } from '../support/network.ts'
import { type Account, NodeClient } from '../support/node-client.ts'
import { ChaosNode } from './chaos/node.ts'

const FLOTILLA = join(import.meta.dirname, '../../bin/flotilla.js')
const SITES = ['eu-1', 'eu-2', 'us'] as const
const MiB = 2 ** 20
const SIZE = 24 * MiB
/** Records, gossip and pings of the time it takes. */
const CHATTER_BYTES_MAX = SIZE / 20

const cleanups: (() => Promise<unknown>)[] = []
afterAll(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup()
})

/** Three nodes in namespaces of their own, each with one line to the others. */
async function nodesOnLines(): Promise<{ nodes: ChaosNode[]; admin: Account }> {
  const root = await mkdtemp(join(tmpdir(), 'flotilla-wire-'))
  cleanups.push(() => rm(root, { recursive: true, force: true }))
  const network = await Network.create(SITES.length)
  cleanups.push(() => network.remove())
  const nodes = network.places.map((place) => {
    const name = `n${place.index + 1}`
    mkdirSync(join(root, name))
    const site = SITES[place.index] as string
    return new ChaosNode({ name, place: { ...place, alias: place.address }, root, program: FLOTILLA, site })
  })
  cleanups.push(() => Promise.all(nodes.map((node) => node.kill('SIGTERM'))))
  const [first, ...others] = nodes as [ChaosNode, ...ChaosNode[]]
  const { admin } = await first.json<{ admin: Account }>('init')
  await first.start()
  for (const node of others) {
    const { invite } = await first.json<{ invite: string }>('invite')
    await node.json('join', invite)
    await node.start()
  }
  return { nodes, admin }
}

/** Bytes that went over the line of a node, both ways, as the kernel counts them. */
function onLine(ip: string, { place }: ChaosNode): number {
  const words = ['-n', place.namespace, '-s', '-j', 'link', 'show', 'data']
  const [line] = JSON.parse(execFileSync(ip, words, { encoding: 'utf8' })) as {
    stats64: { rx: { bytes: number }; tx: { bytes: number } }
  }[]
  return (line?.stats64.rx.bytes ?? Number.NaN) + (line?.stats64.tx.bytes ?? Number.NaN)
}

test('of what is kept to the European sites nothing comes over the line or onto the disk of the node outside', async (context) => {
  const programs = clients('ip', 'iptables', 'nsenter')
  if (!programs) return context.skip('ip, iptables or nsenter is missing')
  if (process.getuid?.() !== 0) return context.skip('network namespaces need root')
  const { nodes, admin } = await nodesOnLines()
  const [here, there, outside] = nodes as [ChaosNode, ChaosNode, ChaosNode]
  const at = (node: ChaosNode) => new NodeClient(node, admin)
  for (const [project_name, metadata] of [
    ['closed', { residency: 'eu-1,eu-2', placement: 'everywhere' }],
    ['open', { placement: 'everywhere' }],
  ] as const) {
    expect((await at(here).api('POST', '/projects', { project_name, metadata })).status).toBe(201)
  }
  const settled = async (project: string, layer: string, node: ChaosNode, status: number) =>
    expect
      .poll(async () => (await at(node).pull(`${project}/app`, `blobs/${layer}`)).status, { timeout: 60_000 })
      .toBe(status)
  const push = async (project: string) => {
    const layer = randomBytes(SIZE)
    const image = await at(here).pushImage(`${project}/app`, 'one', layer)
    expect(image.status).toBe(201)
    return `sha256:${createHash('sha256').update(layer).digest('hex')}`
  }

  const before = onLine(programs.ip, outside)
  const kept = await push('closed')
  await settled('closed', kept, there, 200)
  await settled('closed', kept, outside, 403)
  expect(onLine(programs.ip, outside) - before).toBeLessThan(CHATTER_BYTES_MAX)
  const files = await readdir(join(outside.dataDir, 'blobs'), { recursive: true })
  expect(files.filter((file) => file.includes(kept.slice('sha256:'.length)))).toEqual([])

  // The same line does carry, and count, what is for everybody.
  const shared = await push('open')
  await settled('open', shared, outside, 200)
  expect(onLine(programs.ip, outside) - before).toBeGreaterThan(SIZE)
}, 240_000)

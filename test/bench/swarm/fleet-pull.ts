import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { ChaosNode, PORTS } from '../../cluster/chaos/node.ts'
import { clients } from '../../support/clients.ts'
import { debianImage } from '../../support/debian-image.ts'
import { Network, type Place } from '../../support/network.ts'
import { type Figure, mebibytes, ms, ratio } from '../figures.ts'
import { bytesOnDisk, inScratch } from '../place.ts'
import type { Scale } from '../scale.ts'

const run = promisify(execFile)
const FLOTILLA = join(import.meta.dirname, '../../../bin/flotilla.js')
const NODES = 8
const KILOBITS = 100_000
/** What a line holds of packets that wait. */
const QUEUE_MS = 20
const AGREE_MS_MAX = 120_000
const IMAGE = 'library/debian:bookworm'

interface Tools {
  readonly skopeo: string
  readonly layout: string
}

interface FleetPull {
  readonly elapsedMs: number
  readonly eachMs: readonly number[]
  /** Bytes that left the origin's line, headers and all. */
  readonly sent: number
}

/** Eight nodes, a real image at one of them; `skopeo copy` at all of them at once, with nothing there yet. */
export async function fleetPull(scale: Scale): Promise<Figure[]> {
  const programs = clients('ip', 'tc', 'nsenter', 'skopeo')
  const layout = await debianImage(scale.brief ? 'debian' : 'debian-large')
  if (!programs || !layout) return []
  const tools = { skopeo: programs.skopeo, layout }
  const size = bytesOnDisk(join(layout, 'blobs'))
  const shown = ({ elapsedMs, eachMs, sent }: FleetPull) =>
    `${ms(elapsedMs)}, each ${ms(Math.min(...eachMs))} to ${ms(Math.max(...eachMs))}, origin sent ${mebibytes(sent)} (${ratio(sent, size)})`
  return inScratch(async (directory) => {
    const network = await Network.create(NODES)
    try {
      for (const { index } of network.places) await network.rate(index, KILOBITS, QUEUE_MS)
      const ours = await fromFleet(network, directory, tools)
      const beside = clients('docker-registry')
      const theirs = beside && (await fromRegistry(network, directory, tools, beside['docker-registry']))
      return [
        {
          bench: 'fleet-pull',
          what: `${NODES} nodes pull a Debian image of ${mebibytes(size)} at once, 100 Mbit/s each way, cold`,
          ours: shown(ours),
          stock: theirs ? `docker-registry ${shown(theirs)}` : '',
          goal: '',
        },
      ]
    } finally {
      await network.remove()
    }
  })
}

/** Each pulls from its own node of the cluster; the image was pushed to the first. */
async function fromFleet(network: Network, directory: string, tools: Tools): Promise<FleetPull> {
  const nodes = network.places.map((place) => {
    mkdirSync(join(directory, `n${place.index + 1}`))
    return new ChaosNode({
      name: `n${place.index + 1}`,
      // Members call each other directly here, with no relay between.
      place: { ...place, alias: place.address },
      root: directory,
      program: FLOTILLA,
      site: 'here',
    })
  })
  try {
    const [first, ...others] = nodes as [ChaosNode, ...ChaosNode[]]
    const { admin } = await first.json<{ admin: { username: string; password: string } }>('init')
    await first.start()
    for (const node of others) {
      const { invite } = await first.json<{ invite: string }>('invite')
      await node.json('join', invite)
      await node.start()
    }
    const hostOf = ({ place }: ChaosNode) => `${place.door}:${PORTS.http}`
    const credentials = `--dest-creds=${admin.username}:${admin.password}`
    await push(tools, hostOf(first), [credentials])
    await agreed(nodes)
    return await pulls(network, directory, tools, (place) => hostOf(nodes[place.index] as ChaosNode))
  } finally {
    await Promise.all(nodes.map((node) => node.kill('SIGTERM')))
  }
}

/** All pull from one docker-registry, which stands where the first node stood. */
async function fromRegistry(
  network: Network,
  directory: string,
  tools: Tools,
  program: string,
): Promise<FleetPull> {
  const place = network.places[0] as Place
  const config = join(directory, 'registry.yml')
  const storage = { filesystem: { rootdirectory: join(directory, 'registry') } }
  // JSON is YAML.
  writeFileSync(config, JSON.stringify({ version: 0.1, storage, http: { addr: `0.0.0.0:${PORTS.http}` } }))
  const registry = spawn('nsenter', [`--net=/run/netns/${place.namespace}`, program, 'serve', config], {
    stdio: 'ignore',
  })
  try {
    await until(AGREE_MS_MAX, async () => (await fetch(`http://${place.door}:${PORTS.http}/v2/`)).ok)
    await push(tools, `${place.door}:${PORTS.http}`, [])
    return await pulls(network, directory, tools, () => `${place.address}:${PORTS.http}`)
  } finally {
    const ended = once(registry, 'exit')
    registry.kill()
    await ended
  }
}

async function push({ skopeo, layout }: Tools, host: string, words: readonly string[]): Promise<void> {
  const source = `oci:${layout}:bookworm`
  await run(skopeo, ['copy', '--dest-tls-verify=false', ...words, source, `docker://${host}/${IMAGE}`])
}

async function pulls(
  network: Network,
  directory: string,
  { skopeo }: Tools,
  hostFor: (place: Place) => string,
): Promise<FleetPull> {
  const origin = (network.places[0] as Place).namespace
  const before = await sentBy(origin)
  const startedAt = performance.now()
  const eachMs = await Promise.all(
    network.places.map(async (place) => {
      const target = join(directory, `pulled-${place.index + 1}`)
      const source = `docker://${hostFor(place)}/${IMAGE}`
      const words = [skopeo, 'copy', '--src-tls-verify=false', source, `oci:${target}:b`]
      await run('nsenter', [`--net=/run/netns/${place.namespace}`, ...words])
      const elapsedMs = performance.now() - startedAt
      rmSync(target, { recursive: true, force: true })
      return elapsedMs
    }),
  )
  return { elapsedMs: performance.now() - startedAt, eachMs, sent: (await sentBy(origin)) - before }
}

/** Bytes that have left the line to the other nodes. */
async function sentBy(namespace: string): Promise<number> {
  const { stdout } = await run('ip', ['-n', namespace, '-s', '-j', 'link', 'show', 'data'])
  const [line] = JSON.parse(stdout) as { stats64: { tx: { bytes: number } } }[]
  return line?.stats64.tx.bytes ?? 0
}

async function agreed(nodes: readonly ChaosNode[]): Promise<void> {
  await until(AGREE_MS_MAX, async () => {
    const all = await Promise.all(nodes.map((node) => node.status()))
    const isWhole = all.every(({ members }) => members.filter((one) => one.connected).length >= nodes.length)
    return isWhole && new Set(all.map(({ stateHash }) => stateHash)).size === 1
  })
}

async function until(patienceMs: number, isSo: () => Promise<boolean>): Promise<void> {
  const deadline = performance.now() + patienceMs
  while (!(await isSo().catch(() => false))) {
    if (performance.now() > deadline) throw new Error(`not so after ${ms(patienceMs)}`)
    await sleep(200)
  }
}

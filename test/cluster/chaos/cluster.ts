import { mkdir, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { FOLDER } from '../../support/leftovers.ts'
import { Network } from '../../support/network.ts'
import { ChaosNode, PORTS } from './node.ts'
import { RelayProcess } from './relay-process.ts'
import { SmallDisk } from './small-disk.ts'

const PROGRAM = join(import.meta.dirname, '../../../bin/flotilla.js')
export const NODES = 5
/** Which node's data lies on the disk that runs full. */
export const SMALL = NODES - 1
const AGREE_POLL_MS = 100

export interface Account {
  readonly username: string
  readonly password: string
}

export interface Agreement {
  readonly milliseconds: number
  /** By node; equal when they agree. `undefined` for one that did not answer. */
  readonly hashes: Readonly<Record<string, string | undefined>>
  readonly agreed: boolean
}

/** Five nodes of one cluster under a network that can be broken. */
export class ChaosCluster {
  readonly root: string
  readonly network: Network
  readonly relay: RelayProcess
  readonly disk: SmallDisk
  readonly nodes: readonly ChaosNode[]
  readonly admin: Account
  /** The nodes run this tree, so that its own code can read what they wrote. */
  readonly isOurs: boolean

  private constructor(
    parts: Pick<ChaosCluster, 'root' | 'network' | 'relay' | 'disk' | 'nodes' | 'admin' | 'isOurs'>,
  ) {
    this.isOurs = parts.isOurs
    this.root = parts.root
    this.network = parts.network
    this.relay = parts.relay
    this.disk = parts.disk
    this.nodes = parts.nodes
    this.admin = parts.admin
  }

  /** @param parts.program another build's `bin/flotilla.js`; this tree's where none is given */
  static async start(parts: {
    program?: string | undefined
    faketime: string
    seed: string
  }): Promise<ChaosCluster> {
    const root = await mkdtemp(join(tmpdir(), `${FOLDER}${process.pid}-`))
    const network = await Network.create(NODES)
    const relay = await RelayProcess.start({
      seed: parts.seed,
      ports: [PORTS.cluster, PORTS.swarm],
      nodes: network.places,
    })
    const disk = new SmallDisk(join(root, `n${SMALL + 1}`))
    const nodes = network.places.map(
      (place) =>
        new ChaosNode({
          ...parts,
          program: parts.program ?? PROGRAM,
          name: `n${place.index + 1}`,
          place,
          root,
        }),
    )
    for (const node of nodes) await mkdir(join(root, node.name))
    await disk.mount()
    for (const node of nodes) await node.setClock(0)
    const [first, ...others] = nodes as [ChaosNode, ...ChaosNode[]]
    const { admin } = await first.json<{ admin: Account }>('init')
    await first.start()
    for (const node of others) {
      const { invite } = await first.json<{ invite: string }>('invite')
      await node.json('join', invite)
      await node.start()
    }
    return new ChaosCluster({ root, network, relay, disk, nodes, admin, isOurs: parts.program === undefined })
  }

  /** Waits until all state hashes are equal, `patienceMs` at most. */
  async agreement(patienceMs: number, signal?: AbortSignal): Promise<Agreement> {
    const begun = performance.now()
    for (;;) {
      const all = await Promise.all(
        this.nodes.map(async (node) => {
          const status = await node.status().catch(() => undefined)
          return [node.name, status?.stateHash] as const
        }),
      )
      const hashes = Object.fromEntries(all)
      const [first, ...others] = Object.values(hashes)
      const agreed = first !== undefined && others.every((hash) => hash === first)
      const milliseconds = Math.round(performance.now() - begun)
      if (agreed || milliseconds > patienceMs) return { milliseconds, hashes, agreed }
      await sleep(AGREE_POLL_MS, undefined, signal ? { signal } : {})
    }
  }

  async stop(): Promise<void> {
    await Promise.all(this.nodes.map((node) => node.kill()))
    await this.relay.stop()
    await this.disk.unmount()
    await rm(this.root, { recursive: true, force: true })
    await this.network.remove()
  }
}

import { rmSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import type { ClusterStatus } from '../../src/registry/topology.ts'
import { LocalNode } from './node.ts'
import { freePort } from './ports.ts'
import type { Progress } from './progress.ts'
import type { LocalState } from './state.ts'

export interface Admin {
  readonly username: string
  /** Null: it has been shown once and is not kept. */
  readonly password: string | null
}

const FIRST_PORTS = { http: 5001, cluster: 5101, swarm: 5201 }
const AGREEMENT_MS_MAX = 120_000
const POLL_MS = 200

/** The nodes of this machine, brought to what was asked for. */
export class LocalCluster {
  readonly #state: LocalState
  readonly #progress: Progress

  constructor(state: LocalState, progress: Progress) {
    this.#state = state
    this.#progress = progress
  }

  nodes(): LocalNode[] {
    return this.#state.nodes().map((node) => new LocalNode(this.#state, node))
  }

  /** Starts what has stopped, adds nodes until there are `wanted`, and waits until all agree. */
  async up(wanted: number): Promise<{ nodes: LocalNode[]; admin: Admin }> {
    const nodes: LocalNode[] = []
    let admin: Admin = { username: 'admin', password: null }
    for (const node of this.nodes()) {
      if (!node.facts.member) continue
      if (!(await node.status())) {
        await this.#progress.step(`${node.facts.name} starts again`, () => node.start())
      }
      nodes.push(node)
    }
    for (let number = 1; nodes.length < wanted; number++) {
      if (nodes.some(({ facts }) => facts.name === `node${number}`)) continue
      const node = await this.#prepare(number)
      const [first] = nodes
      if (first === undefined) admin = await this.#found(node)
      else await this.#join(node, first)
      nodes.push(node)
    }
    await this.#progress.step(`${nodes.length} nodes have joined and are in sync`, () => agreement(nodes))
    return { nodes, admin }
  }

  async down(): Promise<number> {
    const running = this.nodes().filter((node) => node.isRunning())
    await Promise.all(
      running.map((node) =>
        this.#progress.step(`${node.facts.name} stops`, async () => {
          if (!(await node.stop()))
            this.#progress.say(`  ${node.facts.name} did not stop in time and was killed`)
        }),
      ),
    )
    return running.length
  }

  /** A new node, its ports chosen and its settings written; what an interrupted run left of it goes. */
  async #prepare(number: number): Promise<LocalNode> {
    const recorded = this.#state.nodes().filter(({ name }) => name !== `node${number}`)
    const given = new Set(recorded.flatMap(({ ports }) => Object.values(ports)))
    const ports = {
      http: await freePort(FIRST_PORTS.http + number - 1, given),
      cluster: await freePort(FIRST_PORTS.cluster + number - 1, given),
      swarm: await freePort(FIRST_PORTS.swarm + number - 1, given),
    }
    const facts = { name: `node${number}`, site: `site${number}`, ports, pid: null, member: false }
    const node = new LocalNode(this.#state, facts)
    rmSync(node.dataDir, { recursive: true, force: true })
    node.save({})
    node.writeSettings()
    return node
  }

  async #found(node: LocalNode): Promise<Admin> {
    const { name, site } = node.facts
    return this.#progress.step(`${name} founds the cluster at ${site}, ${node.url}`, async () => {
      const { admin } = await node.command<{ admin: Admin }>('init', '--cluster-name', 'local')
      node.save({ member: true })
      await node.start()
      return admin
    })
  }

  async #join(node: LocalNode, host: LocalNode): Promise<void> {
    const { name, site } = node.facts
    await this.#progress.step(`${name} joins at ${site}, ${node.url}`, async () => {
      const { invite } = await host.command<{ invite: string }>('invite')
      await node.command('join', invite)
      node.save({ member: true })
      await node.start()
    })
  }
}

/** Every node sees every other one, and all hold the same records. */
async function agreement(nodes: readonly LocalNode[]): Promise<void> {
  const deadline = performance.now() + AGREEMENT_MS_MAX
  for (;;) {
    const seen = await Promise.all(nodes.map((node) => node.status()))
    const missing = disagreement(nodes, seen)
    if (missing === undefined) return
    if (performance.now() > deadline) throw new Error(`${missing} after ${AGREEMENT_MS_MAX / 1000} s`)
    await sleep(POLL_MS)
  }
}

function disagreement(
  nodes: readonly LocalNode[],
  seen: readonly (ClusterStatus | undefined)[],
): string | undefined {
  const live = new Set(seen.map((status) => status?.self))
  for (const [index, status] of seen.entries()) {
    const name = nodes[index]?.facts.name
    if (status === undefined) return `${name} does not answer`
    const connected = status.members.filter((member) => live.has(member.id) && member.connected)
    if (connected.length < nodes.length)
      return `${name} is connected with ${connected.length - 1} of the others`
    if (status.stateHash !== seen[0]?.stateHash)
      return `${name} holds other records than ${nodes[0]?.facts.name}`
  }
  return undefined
}

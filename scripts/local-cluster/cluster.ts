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
  /** Known only in the run that made the cluster. */
  readonly recoveryKey?: string
}

const NODES_DEFAULT = 3
const FIRST_PORTS = { http: 5001, cluster: 5101, swarm: 5201 }
const AGREEMENT_MS_MAX = 120_000
const POLL_MS = 200

interface Founded {
  readonly admin: Admin
  readonly nodeId: string
  readonly recoveryKey: string
}

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

  /** How many nodes there will be; one that is out is missed only by who asks for a number. */
  wanted(asked: number | undefined): number {
    const all = this.#state.nodes()
    const taking = all.filter(({ out }) => out === undefined).length
    const out = all.length - taking
    return asked === undefined ? Math.max(NODES_DEFAULT, all.length) - out : Math.max(asked, taking)
  }

  /** Whether all that is asked for runs: then nothing needs to be built. */
  async isUp(asked: number | undefined): Promise<boolean> {
    await this.#noteWhoIsOut(this.#members())
    const members = this.#members()
    return members.length >= this.wanted(asked) && members.every((node) => node.pid() !== undefined)
  }

  /** Starts what has stopped, adds what is missing, and waits until all agree; who is out is passed over. */
  async up(asked: number | undefined): Promise<{ nodes: LocalNode[]; admin: Admin }> {
    let nodes = await this.#startMembers()
    let admin: Admin = { username: 'admin', password: null }
    const gone = this.nodes().filter(({ facts }) => facts.out !== undefined)
    for (const { facts } of gone)
      this.#progress.say(`  --  ${facts.name} is out of the cluster (${facts.out}): passed over`)
    if (nodes.length === 0 && gone.length > 0)
      throw new Error('no node of this cluster is a member any more; begin anew with --fresh')
    const wanted = this.wanted(asked)
    const taken = new Set([...nodes, ...gone].map(({ facts }) => facts.name))
    for (let number = 1; nodes.length < wanted; number++) {
      if (taken.has(`node${number}`)) continue
      const node = await this.#prepare(number)
      const [first] = nodes
      if (first === undefined) admin = await this.#found(node)
      else await this.#join(node, first)
      nodes = [...nodes, node]
    }
    await this.#progress.step(`${nodes.length} nodes have joined and are in sync`, () => agreement(nodes))
    return { nodes, admin }
  }

  #members(): LocalNode[] {
    return this.nodes().filter(({ facts }) => facts.member && facts.out === undefined)
  }

  async #startMembers(): Promise<LocalNode[]> {
    const members = this.#members()
    let failure: Error | undefined
    for (const node of members) {
      await this.#noteWhoIsOut(members)
      if (node.facts.out !== undefined) continue
      // One that cannot start may be out; only the others can tell, once they run.
      await this.#startMember(node).catch((error: Error) => {
        failure ??= error
      })
    }
    await this.#noteWhoIsOut(members)
    const out = members.filter(({ facts }) => facts.out !== undefined)
    await Promise.all(out.map((node) => node.stop()))
    const nodes = members.filter(({ facts }) => facts.out === undefined)
    if (failure !== undefined && nodes.some((node) => node.pid() === undefined)) throw failure
    return nodes
  }

  async #startMember(node: LocalNode): Promise<void> {
    const { name, pid } = node.facts
    if (!(await node.status())) {
      await this.#progress.step(`${name} starts again`, () => node.start())
      return
    }
    const owner = node.pid()
    if (owner === pid) return
    const who = owner === undefined ? 'a process' : `process ${owner}`
    this.#progress.say(`  ${name} is served by ${who} this script did not start`)
    node.save({ pid: owner ?? null })
  }

  /** By what those say that answer; who is out itself is not asked about others. */
  async #noteWhoIsOut(members: readonly LocalNode[]): Promise<void> {
    const seen = await Promise.all(members.map((node) => node.status()))
    for (const [index, status] of seen.entries()) {
      if (status !== undefined) members[index]?.noteOut(status.members.filter(({ self }) => self))
    }
    for (const [index, status] of seen.entries()) {
      if (status === undefined || members[index]?.facts.out !== undefined) continue
      for (const node of members) node.noteOut(status.members)
    }
  }

  /** @returns how many were stopped */
  async down(): Promise<number> {
    const running = this.nodes().filter((node) => node.pid() !== undefined)
    await Promise.all(
      running.map((node) => {
        const { name, pid } = node.facts
        const owner = node.pid()
        const stranger = owner === pid ? '' : ` (process ${owner}, which this script did not start)`
        return this.#progress.step(`${name} stops${stranger}`, async () => {
          if (!(await node.stop())) this.#progress.say(`  ${name} did not stop in time and was killed`)
        })
      }),
    )
    for (const node of this.nodes()) {
      if (await node.status())
        throw new Error(
          `${node.facts.name} is served by a process this script did not start and cannot find; stop it yourself`,
        )
    }
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
      const { admin, nodeId, recoveryKey } = await node.command<Founded>('init', '--cluster-name', 'local')
      node.save({ member: true, id: nodeId })
      await node.start()
      return { ...admin, recoveryKey }
    })
  }

  async #join(node: LocalNode, host: LocalNode): Promise<void> {
    const { name, site } = node.facts
    await this.#progress.step(`${name} joins at ${site}, ${node.url}`, async () => {
      const { invite } = await host.command<{ invite: string }>('invite')
      const { nodeId } = await node.command<{ nodeId: string }>('join', invite)
      node.save({ member: true, id: nodeId })
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

import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { promisify } from 'node:util'
import { bridgeAlias, namespaceName } from './leftovers.ts'

const run = promisify(execFile)

/**
 * The nodes' network: a namespace for each, with two lines. `data` goes to a bridge and carries what members say
 * to each other; `door` goes straight to whoever made it and carries clients, so that no fault between members is
 * one between a client and its node.
 *
 * A member is reached under its *alias*, an address of the relay, and its calls come from its alias too: all of
 * i's traffic with j has j's alias on it, whoever opened the connection.
 */
export interface Place {
  readonly index: number
  readonly namespace: string
  /** On the bridge; only the relay calls it. */
  readonly address: string
  /** What the others know it by. */
  readonly alias: string
  /** Where its clients call. */
  readonly door: string
}

/** What travels from one node to another. */
export interface Way {
  readonly from: number
  readonly to: number
}

/** Subnets are 10.(BASE + slot).x.x; a slot is taken by making its bridge. */
const SUBNET_BASE = 128
const SLOTS = 100
const BURST_BYTES_MIN = 16 * 1024
/** A bucket must last until the kernel looks at it again. */
const BURST_MS = 2
/** Packets wait for a bounded line so long, and are then dropped. */
const QUEUE_MS = 800
/** Linux's own choice: what this host was set to is not to decide what a bench says. */
const CONGESTION_CONTROL = 'net.ipv4.tcp_congestion_control=cubic'

export class Network {
  readonly slot: number
  readonly places: readonly Place[]
  #other: string | undefined

  private constructor(slot: number, places: readonly Place[]) {
    this.slot = slot
    this.places = places
  }

  static async create(size: number): Promise<Network> {
    const slot = await takeSlot()
    const bridge = `fcb${slot}`
    const net = `10.${SUBNET_BASE + slot}`
    await ip('link', 'set', bridge, 'alias', bridgeAlias(), 'up')
    const places = Array.from({ length: size }, (_, index) => ({
      index,
      namespace: namespaceName(slot, index + 1),
      address: `${net}.0.${index + 1}`,
      alias: `${net}.0.${101 + index}`,
      door: `${net}.${index + 1}.2`,
    }))
    for (const { index, namespace, address, alias, door } of places) {
      const [data, line] = [`fcd${slot}n${index + 1}`, `fcm${slot}n${index + 1}`]
      await ip('netns', 'add', namespace)
      await ip('link', 'add', data, 'type', 'veth', 'peer', 'name', 'data', 'netns', namespace)
      await ip('link', 'add', line, 'type', 'veth', 'peer', 'name', 'door', 'netns', namespace)
      await ip('link', 'set', data, 'master', bridge, 'up')
      await ip('address', 'add', `${net}.${index + 1}.1/30`, 'dev', line)
      await ip('address', 'add', `${alias}/24`, 'dev', bridge)
      await ip('link', 'set', line, 'up')
      await ip('-n', namespace, 'address', 'add', `${address}/24`, 'dev', 'data')
      await ip('-n', namespace, 'address', 'add', `${door}/30`, 'dev', 'door')
      await ip('netns', 'exec', namespace, 'sysctl', '-qw', CONGESTION_CONTROL)
      for (const device of ['lo', 'data', 'door']) await ip('-n', namespace, 'link', 'set', device, 'up')
    }
    return new Network(slot, places)
  }

  /** From now on exactly these ways are dead: every packet on them is dropped where it arrives. */
  async cut(ways: readonly Way[]): Promise<void> {
    await Promise.all(
      this.places.map(({ index, namespace }) => {
        const deaf = new Set(ways.filter(({ to }) => to === index).map(({ from }) => from))
        const drops = [...deaf].map((from) => `-A INPUT -s ${this.#place(from).alias} -j DROP`)
        return filter(namespace, [...drops])
      }),
    )
  }

  async link(node: number, state: 'up' | 'down'): Promise<void> {
    await ip('-n', this.#place(node).namespace, 'link', 'set', 'data', state)
  }

  /**
   * Bounds a node's line in both directions; undefined takes the bound away.
   * @param queueMs how long a packet waits for the line at most
   */
  async rate(node: number, kilobits: number | undefined, queueMs = QUEUE_MS): Promise<void> {
    const inside = ['-n', this.#place(node).namespace, 'qdisc']
    const outside = ['qdisc']
    for (const [words, device] of [
      [inside, 'data'],
      [outside, `fcd${this.slot}n${node + 1}`],
    ] as const) {
      if (kilobits === undefined) await run('tc', [...words, 'del', 'dev', device, 'root']).catch(() => {})
      else {
        const burst = Math.max(BURST_BYTES_MIN, Math.ceil((kilobits * BURST_MS) / 8))
        const shape = ['tbf', 'rate', `${kilobits}kbit`, 'burst', `${burst}`, 'latency', `${queueMs}ms`]
        await run('tc', [...words, 'replace', 'dev', device, 'root', ...shape])
      }
    }
  }

  /**
   * Two sites from now on: these nodes stand on a bridge of their own, and nothing goes from one bridge to the
   * other but what somebody carries.
   * @returns both bridges
   */
  async split(nodes: readonly number[]): Promise<readonly [string, string]> {
    const other = `fcs${this.slot}`
    await ip('link', 'add', other, 'type', 'bridge')
    await ip('link', 'set', other, 'alias', bridgeAlias(), 'up')
    this.#other = other
    for (const node of nodes) await ip('link', 'set', `fcd${this.slot}n${node + 1}`, 'master', other)
    return [`fcb${this.slot}`, other]
  }

  async remove(): Promise<void> {
    for (const { index, namespace } of this.places) {
      // By hand: those of a namespace that is gone go only some time later, and the slot may be taken by then.
      for (const kind of ['d', 'm']) await ip('link', 'delete', `fc${kind}${this.slot}n${index + 1}`)
      await ip('netns', 'delete', namespace)
    }
    if (this.#other !== undefined) await ip('link', 'delete', this.#other)
    await ip('link', 'delete', `fcb${this.slot}`)
  }

  #place(index: number): Place {
    const place = this.places[index]
    if (!place) throw new RangeError(`there is no node ${index}`)
    return place
  }
}

async function ip(...words: string[]): Promise<void> {
  await run('ip', words)
}

async function takeSlot(): Promise<number> {
  for (let slot = 0; slot < SLOTS; slot++) {
    const taken = await ip('link', 'add', `fcb${slot}`, 'type', 'bridge').then(
      () => true,
      () => false,
    )
    if (taken) return slot
  }
  throw new Error('no bridge can be made: `ip link add type bridge` needs root, on Linux')
}

/** Replaces the namespace's rules as one. */
async function filter(namespace: string, rules: readonly string[]): Promise<void> {
  const table = ['*filter', ':INPUT ACCEPT [0:0]', ':OUTPUT ACCEPT [0:0]', ...rules, 'COMMIT', '']
  const child = spawn('nsenter', [`--net=/run/netns/${namespace}`, 'iptables-restore', '-w'], {
    stdio: ['pipe', 'ignore', 'pipe'],
  })
  let complaint = ''
  child.stderr.on('data', (bytes: Buffer) => {
    complaint += bytes.toString()
  })
  child.stdin.end(table.join('\n'))
  const [code] = (await once(child, 'exit')) as [number | null]
  if (code !== 0) throw new Error(`iptables-restore in ${namespace}: ${complaint}`)
}

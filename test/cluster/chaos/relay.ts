import { connect, createServer, type Socket } from 'node:net'
import { createInterface } from 'node:readline'
import { Seeded } from './seeded.ts'

/**
 * A process of its own: every connection between members runs through it, so that a line can be slow, uneven or
 * lossy on a kernel without netem. A lost packet is what a TCP connection makes of it: silence for a
 * retransmission's time, and nothing that comes after may overtake. Reads settings as JSON lines from standard
 * input and ends with it.
 */
export interface RelayPlan {
  readonly seed: string
  readonly ports: readonly number[]
  readonly nodes: readonly { readonly address: string; readonly alias: string }[]
}

/** How a way treats each piece of data that is sent on it. */
export interface Weather {
  readonly delayMs: number
  readonly jitterMs: number
  /** Chance that a piece has to be sent again. */
  readonly loss: number
  /** Chance that one bit of a piece is flipped. */
  readonly corrupt: number
}

export interface RelayOrder {
  /** By `from>to`, indices of nodes; ways that are not named are clear. */
  readonly weather: Readonly<Record<string, Weather>>
  /** Breaks every connection of these nodes. */
  readonly reset?: readonly number[]
}

/** A sender's first retransmission comes after this, as in Linux. */
const RETRANSMISSION_MS = 200
const RETRANSMISSION_MS_MAX = 5000
/** More than this is not taken from a sender before it has gone on. */
const QUEUE_BYTES_MAX = 1024 * 1024

let weather: Readonly<Record<string, Weather>> = {}
const pairs = new Map<Socket, { readonly other: Socket; readonly nodes: readonly number[] }>()

interface Piece {
  readonly at: number
  readonly bytes: Buffer | undefined
}

/** Carries what `source` says to `sink`; `undefined` among the pieces is its last word. */
function carry(source: Socket, sink: Socket, way: string, random: Seeded): void {
  const queue: Piece[] = []
  let waiting = 0
  let timer: NodeJS.Timeout | undefined
  const room = () => waiting < QUEUE_BYTES_MAX && !sink.writableNeedDrain
  const flush = () => {
    timer = undefined
    while (queue[0] && queue[0].at <= performance.now() && !sink.destroyed) {
      const { bytes } = queue.shift() as Piece
      waiting -= bytes?.length ?? 0
      if (bytes) sink.write(bytes)
      else sink.end()
    }
    if (queue[0]) timer = setTimeout(flush, Math.max(1, queue[0].at - performance.now()))
    if (source.isPaused() && room()) source.resume()
  }
  const take = (bytes: Buffer | undefined) => {
    const now = weather[way]
    let at = performance.now()
    if (now) {
      at += now.delayMs + random.integer(now.jitterMs + 1)
      for (
        let again = RETRANSMISSION_MS;
        again < RETRANSMISSION_MS_MAX && random.chance(now.loss);
        again *= 2
      )
        at += again
      if (bytes && random.chance(now.corrupt)) {
        const place = random.integer(bytes.length)
        bytes[place] = (bytes[place] ?? 0) ^ (1 << random.integer(8))
      }
    }
    queue.push({ at: Math.max(at, queue.at(-1)?.at ?? 0), bytes })
    waiting += bytes?.length ?? 0
    if (!timer) flush()
    if (!room()) source.pause()
  }
  source.on('data', take)
  source.on('end', () => take(undefined))
  sink.on('drain', () => {
    if (room()) source.resume()
  })
  source.on('close', () => {
    if (source.readableEnded && !source.errored) return
    clearTimeout(timer)
    sink.resetAndDestroy()
  })
}

function serve(plan: RelayPlan): void {
  const random = new Seeded(plan.seed)
  let count = 0
  for (const [to, { address, alias }] of plan.nodes.entries()) {
    for (const port of plan.ports) {
      const server = createServer({ allowHalfOpen: true, noDelay: true }, (caller) => {
        const from = plan.nodes.findIndex((node) => node.address === caller.remoteAddress)
        const origin = plan.nodes[from]
        caller.on('error', () => {})
        if (!origin) {
          caller.resetAndDestroy()
          return
        }
        const called = connect({
          host: address,
          port,
          localAddress: origin.alias,
          allowHalfOpen: true,
          noDelay: true,
        })
        called.on('error', () => {})
        const chance = random.fork(String(count++))
        carry(caller, called, `${from}>${to}`, chance.fork('there'))
        carry(called, caller, `${to}>${from}`, chance.fork('back'))
        for (const [one, other] of [
          [caller, called],
          [called, caller],
        ] as const) {
          pairs.set(one, { other, nodes: [from, to] })
          one.on('close', () => pairs.delete(one))
        }
      })
      server.on('error', (error) => {
        process.stderr.write(`relay: ${error.message}\n`)
        process.exitCode = 1
      })
      server.listen(port, alias, () => process.stdout.write(`listening ${alias}:${port}\n`))
    }
  }
}

function obey(order: RelayOrder): void {
  weather = order.weather
  for (const [socket, { nodes }] of pairs) {
    if (nodes.some((node) => order.reset?.includes(node))) socket.resetAndDestroy()
  }
}

if (process.argv[1] === import.meta.filename) {
  let started = false
  createInterface({ input: process.stdin })
    .on('line', (line) => {
      if (started) obey(JSON.parse(line) as RelayOrder)
      else serve(JSON.parse(line) as RelayPlan)
      started = true
    })
    .on('close', () => process.exit())
}

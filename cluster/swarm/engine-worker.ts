import type { Duplex } from 'node:stream'
import { parentPort, workerData } from 'node:worker_threads'
import { privateKeyFromRaw } from '@libp2p/crypto/keys'
import type { Ed25519PrivateKey } from '@libp2p/interface'
import { Fault } from '../../src/errors.ts'
import { systemClock } from '../../src/runtime/clock.ts'
import { systemRandom } from '../../src/runtime/random.ts'
import { systemTimers } from '../../src/runtime/timers.ts'
import type { Session, Whom } from './engine.ts'
import { MirroredLinks } from './engine-links.ts'
import { errorFacts, faultOf, MirroredRoster, mirroredLogger } from './engine-mirror.ts'
import type { EngineWorkerData, FromEngine, ToEngine, View } from './engine-protocol.ts'
import { SENT_REPORT_INTERVAL_MS } from './limits.ts'
import { LocalEngine } from './local-engine.ts'

/** The engine's thread: a LocalEngine, and the messages that stand for its arguments and answers. */

const port = parentPort
if (!port) throw new Error('this file runs as a worker thread')
const post = (message: FromEngine) => port.postMessage(message)

const data = workerData as EngineWorkerData
const roster = new MirroredRoster(data.members)
const links = new MirroredLinks(data.links, post)
const engine = new LocalEngine(
  {
    self: data.self,
    identity: privateKeyFromRaw(data.identity) as Ed25519PrivateKey,
    roster,
    links,
    logger: mirroredLogger(post),
    clock: systemClock,
    timers: systemTimers,
    random: systemRandom,
  },
  {
    host: data.host,
    port: data.port,
    uploadBytesPerSecond: data.uploadBytesPerSecond,
    accept: (member, infoHash, socket) =>
      post({ type: 'accepted', member, infoHash, connection: connections.add(socket as Duplex) }),
  },
)

/** Sockets the main thread knows by their number, until they belong to a session. */
const connections = {
  count: 0,
  open: new Map<number, Duplex>(),
  add(socket: Duplex): number {
    const connection = ++this.count
    this.open.set(connection, socket)
    socket.once('close', () => this.open.delete(connection))
    return connection
  },
}

/** Reads and writes the main thread is at. */
const moving = new Map<number, PromiseWithResolvers<void>>()
let transfers = 0

function move(type: 'read' | 'write', session: number, bytes: Uint8Array, position: number): Promise<void> {
  const transfer = ++transfers
  const moved = Promise.withResolvers<void>()
  moving.set(transfer, moved)
  post({ type, session, transfer, bytes, position })
  return moved.promise
}

const NOBODY: Whom = { asks: false, site: '', ingress: false }

interface Joined {
  readonly session: Session
  readonly whom: Map<string, Whom>
  front: number | undefined
  sent: number
}
const sessions = new Map<number, Joined>()

function join({ session: id, torrent, complete, here }: Extract<ToEngine, { type: 'join' }>): void {
  const report = () => {
    if (joined.sent > 0) post({ type: 'sent', session: id, bytes: joined.sent })
    joined.sent = 0
  }
  const session = engine.join(
    torrent,
    {
      readFully: (into, position) => move('read', id, into, position),
      write: (bytes, position) => move('write', id, bytes, position),
    },
    {
      complete,
      here,
      front: () => joined.front,
      whom: (member) => joined.whom.get(member) ?? NOBODY,
      events: {
        piece: (piece, from) => post({ type: 'piece', session: id, piece, from }),
        lied: (member) => post({ type: 'lied', session: id, member }),
        sent: (bytes) => {
          if (joined.sent === 0) systemTimers.after(SENT_REPORT_INTERVAL_MS, report)
          joined.sent += bytes
        },
        joined: (member) => post({ type: 'joined', session: id, member }),
        gone: (member) => {
          report()
          post({ type: 'gone', session: id, member })
        },
        failed: (error) => post({ type: 'session-failed', session: id, error: errorFacts(error) }),
      },
    },
  )
  const joined: Joined = { session, whom: new Map(), front: undefined, sent: 0 }
  sessions.set(id, joined)
}

function see(joined: Joined | undefined, { front, whom }: View): void {
  if (!joined) return
  joined.front = front
  for (const [member, facts] of whom) joined.whom.set(member, facts)
}

async function attach(message: Extract<ToEngine, { type: 'attach' }>): Promise<void> {
  const socket = connections.open.get(message.connection)
  const joined = sessions.get(message.session)
  if (!socket || !joined) {
    socket?.destroy()
    throw new Fault('SWARM_STOPPED', 'the connection or its torrent is gone', { member: message.member })
  }
  connections.open.delete(message.connection)
  joined.whom.set(message.member, message.whom)
  await joined.session.attach(message.member, message.dialler, socket)
}

const dialling = new Map<number, AbortController>()

async function dial(call: number, member: string): Promise<void> {
  const hangUp = new AbortController()
  dialling.set(call, hangUp)
  try {
    const socket = await engine.dial(member, hangUp.signal)
    post({ type: 'answer', call, connection: connections.add(socket as Duplex) })
  } finally {
    dialling.delete(call)
  }
}

async function leave(id: number): Promise<void> {
  await sessions.get(id)?.session.stop()
  sessions.delete(id)
}

function answer(call: number, work: Promise<void>): void {
  work.then(
    () => post({ type: 'answer', call }),
    (error: unknown) => post({ type: 'answer', call, error: errorFacts(error) }),
  )
}

function moved(transfer: number, error: Extract<ToEngine, { type: 'moved' }>['error']): void {
  const waiting = moving.get(transfer)
  moving.delete(transfer)
  if (error) waiting?.reject(faultOf(error))
  else waiting?.resolve()
}

port.on('message', (message: ToEngine) => {
  switch (message.type) {
    case 'members':
      return roster.change(message.changed, message.gone)
    case 'links':
      return links.change(message.links)
    case 'your-turn':
      return links.answer(message)
    case 'dial':
      return void dial(message.call, message.member).catch((error: unknown) =>
        post({ type: 'answer', call: message.call, error: errorFacts(error) }),
      )
    case 'hang-up':
      return dialling.get(message.call)?.abort(new Fault('SWARM_STOPPED', 'nobody waits for it any more'))
    case 'join':
      return join(message)
    case 'attach':
      return answer(message.call, attach(message))
    case 'destroy':
      return void connections.open.get(message.connection)?.destroy()
    case 'drop':
      return sessions.get(message.session)?.session.drop(message.member)
    case 'view':
      return see(sessions.get(message.session), message.view)
    case 'nudge': {
      const session = sessions.get(message.session)?.session
      session?.nudge()
      return post({ type: 'received', session: message.session, bytes: session?.received ?? 0 })
    }
    case 'leave':
      return answer(message.call, leave(message.session))
    case 'moved':
      return moved(message.transfer, message.error)
    case 'stop':
      return answer(message.call, engine.stop())
  }
})

try {
  await engine.start()
  const address = engine.address()
  if (address) post({ type: 'listening', address })
} catch (error) {
  post({ type: 'failed', error: errorFacts(error) })
}

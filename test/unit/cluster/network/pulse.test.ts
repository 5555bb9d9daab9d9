import type { Connection, MessageStream, Stream } from '@libp2p/interface'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { yamux } from '@libp2p/yamux'
import { expect, onTestFinished, test, vi } from 'vitest'
import { PING_INTERVAL_MS } from '../../../../cluster/limits.ts'
import { Pulse } from '../../../../cluster/network/pulse.ts'
import { systemRandom } from '../../../../src/runtime/random.ts'

/** One connection to a member whose other end answers pings while `answers` holds, and a clock moved by hand. */
async function connected() {
  const muxers = multiaddrConnectionPair().map((end: MessageStream) => yamux()().createStreamMuxer(end))
  const theirs: Stream[] = []
  const there = { answers: true, theirs }
  muxers[1]?.addEventListener('stream', ({ detail }: CustomEvent<Stream>) => {
    theirs.push(detail)
    detail.addEventListener('message', ({ data }) => {
      if (there.answers) detail.send(data)
    })
  })
  const abort = vi.fn()
  const connection = {
    remotePeer: { toString: () => 'member' },
    newStream: () => muxers[0]?.createStream(),
    abort,
  } as unknown as Connection
  const measured = vi.fn()
  const time = { now: 0, wake: () => {} }
  const pulse = new Pulse(
    { up: () => ['member'], connections: () => [connection], measured },
    { now: () => time.now, monotonic: () => time.now },
    systemRandom,
    {
      after: () => () => {},
      sleep: (_, signal) =>
        new Promise((resolve, reject) => {
          time.wake = resolve
          signal?.addEventListener('abort', () => reject(signal.reason))
        }),
    },
  )
  await pulse.start()
  onTestFinished(() => pulse.stop())
  /** The next round comes, so much later than it should. */
  const round = async (lateMs = 0) => {
    time.now += PING_INTERVAL_MS + lateMs
    time.wake()
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
  return { pulse, connection, abort, measured, there, round }
}

test('a member is asked every round over the same stream, and measured', async () => {
  const { pulse, connection, abort, measured, there, round } = await connected()
  pulse.beat(connection)
  await vi.waitFor(() => expect(measured).toHaveBeenCalledTimes(1))
  for (let n = 2; n <= 5; n++) {
    await round()
    await vi.waitFor(() => expect(measured).toHaveBeenCalledTimes(n))
  }
  expect(measured).toHaveBeenLastCalledWith('member', expect.any(Number))
  expect(there.theirs).toHaveLength(1)
  expect(abort).not.toHaveBeenCalled()
})

test('a connection that is silent until the next round is aborted', async () => {
  const { abort, there, round } = await connected()
  await round()
  there.answers = false
  await round()
  expect(abort).not.toHaveBeenCalled()
  await round()
  expect(abort).toHaveBeenCalledOnce()
  expect(abort).toHaveBeenCalledWith(expect.objectContaining({ code: 'PEER_UNREACHABLE' }))
})

test('a standstill of this process is not put down to the member', async () => {
  const { abort, there, round } = await connected()
  there.answers = false
  await round()
  await round(60_000)
  expect(abort).not.toHaveBeenCalled()
  await round()
  expect(abort).toHaveBeenCalledOnce()
})

test('another stream is opened when the other end has ended one', async () => {
  const { abort, measured, there, round } = await connected()
  await round()
  there.theirs[0]?.abort(new Error('served for long'))
  await vi.waitFor(() => expect(there.theirs[0]?.status).not.toBe('open'))
  await round()
  await vi.waitFor(() => expect(measured).toHaveBeenCalledTimes(2))
  expect(there.theirs).toHaveLength(2)
  expect(abort).not.toHaveBeenCalled()
})

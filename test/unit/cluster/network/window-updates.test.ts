import type { MessageStream, Stream } from '@libp2p/interface'
import { multiaddrConnectionPair } from '@libp2p/utils'
import { yamux } from '@libp2p/yamux'
import { expect, test, vi } from 'vitest'
import { gatherUpdates } from '../../../../cluster/network/window-updates.ts'

const WINDOW_UPDATE = 1
const WINDOW_BYTES = 256 * 1024

/** One stream between two muxers, what was read from it, and the window updates that came back. */
async function oneStream(gathered: boolean) {
  const [here, there] = multiaddrConnectionPair()
  const back = { updates: 0 }
  here.addEventListener('message', ({ data }) => {
    if (data.subarray()[1] === WINDOW_UPDATE) back.updates++
  })
  const factory = () => (gathered ? gatherUpdates(yamux()()) : yamux()())
  const [sending, reading] = [here, there].map((end: MessageStream) => factory().createStreamMuxer(end))
  const read = { bytes: 0 }
  reading!.addEventListener('stream', ({ detail }: CustomEvent<Stream>) => {
    detail.addEventListener('message', ({ data }) => {
      read.bytes += data.byteLength
    })
  })
  return { stream: (await sending!.createStream()) as Stream, read, back }
}

test('short messages are read without an answer to each', async () => {
  for (const gathered of [true, false]) {
    const { stream, read, back } = await oneStream(gathered)
    for (let n = 1; n <= 50; n++) {
      stream.send(new Uint8Array(100))
      await vi.waitFor(() => expect(read.bytes).toBe(n * 100), { interval: 1 })
    }
    // The one that accepts the stream.
    if (gathered) expect(back.updates).toBe(1)
    else expect(back.updates).toBeGreaterThan(40)
  }
})

test('many windows of data go through, in pieces of any size', async () => {
  for (const piece of [1_000, 63_000, 64 * 1024, 300_000]) {
    const { stream, read } = await oneStream(true)
    let sent = 0
    while (sent < 5 * WINDOW_BYTES) {
      if (!stream.send(new Uint8Array(piece))) await stream.onDrain({ signal: AbortSignal.timeout(2_000) })
      sent += piece
    }
    await expect.poll(() => read.bytes).toBe(sent)
  }
})

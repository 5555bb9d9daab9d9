import { Duplex, PassThrough } from 'node:stream'
import { describe, expect, it } from 'vitest'
import { peekInfoHash } from '../../../../cluster/swarm/handshake.ts'
import { read } from './fleet.ts'

const INFOHASH = 'c0ffee'.padEnd(40, '0')
const GREETING = Buffer.concat([
  Buffer.from('\x13BitTorrent protocol'),
  Buffer.alloc(8),
  Buffer.from(INFOHASH, 'hex'),
  Buffer.from('-XX0001-abcdefghijkl'),
])
const never = () => new AbortController().signal

describe('the first look at a connection', () => {
  it('finds the infohash and leaves every byte for the wire', async () => {
    const socket = new PassThrough()
    socket.end(Buffer.concat([GREETING, Buffer.from('and more')]))
    expect(await peekInfoHash(socket, never())).toBe(INFOHASH)
    expect((await read(socket)).toString('latin1')).toBe(`${GREETING.toString('latin1')}and more`)
  })

  it('takes a greeting that comes byte by byte', async () => {
    const socket = new PassThrough()
    const peeking = peekInfoHash(socket, never())
    for (const byte of GREETING) {
      socket.write(Buffer.from([byte]))
      await new Promise(setImmediate)
    }
    socket.end()
    expect(await peeking).toBe(INFOHASH)
    expect((await read(socket)).equals(GREETING)).toBe(true)
  })

  it('refuses whatever is not BitTorrent at its first wrong byte', async () => {
    const socket = new PassThrough()
    socket.write(Buffer.from('\x13BitTorrent PROTOCOL'))
    await expect(peekInfoHash(socket, never())).rejects.toMatchObject({ code: 'HANDSHAKE_INVALID' })
  })

  it('refuses who leaves before the greeting is over', async () => {
    const socket = new Duplex({ read() {}, write() {} })
    const peeking = peekInfoHash(socket, never())
    socket.push(GREETING.subarray(0, 30))
    socket.destroy()
    await expect(peeking).rejects.toMatchObject({ code: 'HANDSHAKE_INVALID' })
  })

  it('waits no longer than it is told to', async () => {
    const giveUp = new AbortController()
    const peeking = peekInfoHash(new PassThrough(), giveUp.signal)
    giveUp.abort(new Error('too slow'))
    await expect(peeking).rejects.toThrow('too slow')
  })
})

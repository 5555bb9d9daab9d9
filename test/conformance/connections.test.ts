import { randomBytes } from 'node:crypto'
import { readdir, readlink } from 'node:fs/promises'
import { get } from 'node:http'
import { connect } from 'node:net'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Logger, silentLogger } from '../../src/runtime/logger.ts'
import { OciClient, sha256 } from '../support/oci-client.ts'
import { type ServerUnderTest, startRegistry } from '../support/registry.ts'

let server: ServerUnderTest
let client: OciClient
const errors: object[] = []
const logger: Logger = { ...silentLogger, error: (facts) => errors.push(facts), child: () => logger }
const blob = randomBytes(32 * 1024 * 1024)
const at = `/v2/team/big/blobs/${sha256(blob)}`

beforeAll(async () => {
  server = await startRegistry({ logger })
  client = new OciClient(server.url, 'alice')
  await client.pushBlob('team/big', blob)
})
afterAll(async () => {
  client.close()
  await server.close()
})

/** Files of the store this process has open right now. */
async function openFiles(): Promise<string[]> {
  const names = await readdir('/proc/self/fd')
  const targets = await Promise.all(names.map((name) => readlink(`/proc/self/fd/${name}`).catch(() => '')))
  return targets.filter(
    (target) => target.startsWith(server.disk.layout.content) || target.includes('/staging/'),
  )
}

const linux = process.platform === 'linux'

describe('a client that goes away', () => {
  it.skipIf(!linux)('in the middle of a download leaves no file open and no failure in the log', async () => {
    const downloads = Array.from({ length: 10 }, async (_, turn) => {
      await new Promise<void>((resolve) => {
        const asked = get(`${server.url}${at}`, (response) => {
          let got = 0
          response.on('data', (chunk: Buffer) => {
            got += chunk.length
            if (got > turn * 500_000) asked.destroy()
          })
          response.on('close', () => resolve())
          response.on('error', () => {})
        })
        asked.on('error', () => resolve())
      })
    })
    await Promise.all(downloads)
    await expect.poll(openFiles, { timeout: 5000 }).toEqual([])
    expect(errors).toEqual([])
    expect((await client.send('GET', at)).body.equals(blob)).toBe(true)
  })

  it.skipIf(!linux)('without ever reading, leaves nothing behind either', async () => {
    const socket = connect(server.port, '127.0.0.1')
    socket.pause()
    socket.write(`GET ${at} HTTP/1.1\r\nhost: x\r\n\r\n`)
    await expect.poll(openFiles, { timeout: 5000 }).toHaveLength(1)
    socket.destroy()
    await expect.poll(openFiles, { timeout: 5000 }).toEqual([])
    expect(errors).toEqual([])
  })

  it.skipIf(!linux)('in the middle of an upload leaves no file open and no failure in the log', async () => {
    const locations = await Promise.all(Array.from({ length: 5 }, () => client.startUpload('team/big')))
    const credential = Buffer.from('alice:x').toString('base64')
    const sockets = locations.map((location) => {
      const socket = connect(server.port, '127.0.0.1')
      socket.on('error', () => {})
      socket.write(
        `PATCH ${location} HTTP/1.1\r\nhost: x\r\nauthorization: Basic ${credential}\r\ncontent-length: 90000000\r\n\r\n`,
      )
      socket.write(blob.subarray(0, 3_000_000))
      return socket
    })
    await expect.poll(openFiles, { timeout: 5000 }).toHaveLength(5)
    for (const [turn, socket] of sockets.entries()) {
      if (turn % 2 === 0) socket.resetAndDestroy()
      else socket.destroy()
    }
    await expect.poll(openFiles, { timeout: 5000 }).toEqual([])
    expect(errors).toEqual([])
    for (const location of locations) {
      expect((await client.send('GET', location)).status).toBe(204)
      expect((await client.send('DELETE', location)).status).toBe(204)
    }
  })
})

describe('many at once', () => {
  it('each read their own range of one blob', async () => {
    const reads = Array.from({ length: 40 }, async (_, turn) => {
      const first = turn * 700_001
      const got = await client.send('GET', at, { headers: { range: `bytes=${first}-${first + 2_000_000}` } })
      return got.body.equals(blob.subarray(first, first + 2_000_001))
    })
    expect((await Promise.all(reads)).every(Boolean)).toBe(true)
  })

  it('push the same blob to many repositories, and every one has it', async () => {
    const bytes = randomBytes(3_000_000)
    const names = Array.from({ length: 12 }, (_, turn) => `team/same-${turn}`)
    const pushes = await Promise.all(names.map((name) => client.pushBlob(name, bytes)))
    expect(pushes.map(({ status }) => status)).toEqual(names.map(() => 201))
    for (const name of names) {
      const got = await client.send('GET', `/v2/${name}/blobs/${sha256(bytes)}`)
      expect(got.body.equals(bytes)).toBe(true)
    }
  })

  it('write to one upload: one does, the others are told it is busy or elsewhere', async () => {
    const bytes = randomBytes(4_000_000)
    const location = await client.startUpload('team/one')
    const statuses = await Promise.all(
      Array.from({ length: 6 }, async () => {
        const headers = { 'content-range': '0-3999999' }
        return (await client.send('PATCH', location, { body: bytes, headers })).status
      }),
    )
    expect(statuses.filter((status) => status === 202)).toHaveLength(1)
    expect(statuses.every((status) => [202, 409, 416].includes(status))).toBe(true)
    expect((await client.send('PUT', `${location}?digest=${sha256(bytes)}`)).status).toBe(201)
  })

  it('move one tag: it means one of the manifests, and all are there by digest', async () => {
    const images = await Promise.all(
      Array.from({ length: 10 }, async (_, turn) =>
        JSON.stringify(await client.image('team/race', [`layer ${turn}`])),
      ),
    )
    const pushes = await Promise.all(images.map((text) => client.pushManifest('team/race', 'latest', text)))
    expect(pushes.every(({ status }) => status === 201)).toBe(true)
    const latest = await client.send('GET', '/v2/team/race/manifests/latest')
    expect(images).toContain(latest.body.toString())
    for (const text of images) {
      expect((await client.send('HEAD', `/v2/team/race/manifests/${sha256(text)}`)).status).toBe(200)
    }
  })
})

import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, readdir, rm, stat, writeFile } from 'node:fs/promises'
import { createServer as createHttpServer } from 'node:http'
import { type AddressInfo, connect, createServer, type Socket } from 'node:net'
import { networkInterfaces, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { connect as connectTls } from 'node:tls'
import { onTestFinished } from 'vitest'
import type { Certificate } from '../../cluster/swarm/certificate.ts'
import { client } from './clients.ts'

/** Transmission takes half a minute before it first dials a peer. */
const PATIENCE_MS = 90_000

const COMMANDS = {
  aria2c: (torrent: string, directory: string) => [
    '--enable-dht=false',
    '--bt-enable-lpd=false',
    '--enable-peer-exchange=false',
    '--bt-tracker-interval=2',
    '--seed-time=0',
    '--file-allocation=none',
    '-d',
    directory,
    torrent,
  ],
  'transmission-cli': (torrent: string, directory: string) => [
    '--no-portmap',
    '--no-uplimit',
    '--encryption-tolerated',
    '--config-dir',
    `${directory}.conf`,
    '--download-dir',
    directory,
    torrent,
  ],
}

/** Unanswered connections after which a client has tried all it has: aria2c begins with an encrypted handshake. */
const REFUSALS: Readonly<Record<keyof typeof COMMANDS, number>> = { aria2c: 3, 'transmission-cli': 1 }

/** Only TCP, to the one peer it is told of. */
const TRANSMISSION = {
  'utp-enabled': false,
  'dht-enabled': false,
  'lpd-enabled': false,
  'pex-enabled': false,
  'rpc-enabled': false,
  'peer-port-random-on-start': true,
  encryption: 0,
}

export type StockClient = keyof typeof COMMANDS

/** An address of this machine that is not the loopback: Transmission talks to no peer on that. */
export function outerAddress(): string | undefined {
  const all = Object.values(networkInterfaces()).flatMap((one) => one ?? [])
  return all.find(({ family, internal }) => family === 'IPv4' && !internal)?.address
}

/**
 * Has a BitTorrent client of the world fetch a torrent from the one peer at `port`, told to it by a tracker.
 * @param enough bytes: with so many kept it is stopped
 * @param as the certificate the connection is made with; plain where it is absent
 * @returns bytes it has kept, and bytes the peer has answered with; undefined where the client is missing
 */
export async function fetchWith(
  name: StockClient,
  { info, enough, port, as }: { info: Uint8Array; enough: number; port: number; as?: Certificate },
): Promise<{ kept: number; answered: number; connections: number } | undefined> {
  const program = client(name)
  const address = outerAddress()
  if (!program || !address) return undefined
  const way = await tunnel(address, port, as)
  const announce = await tracker(address, way.port)
  const root = await mkdtemp(join(tmpdir(), 'flotilla-stock-'))
  onTestFinished(() => rm(root, { recursive: true, force: true }))
  const [torrent, directory] = [join(root, 'it.torrent'), join(root, 'got')]
  const head = `d8:announce${announce.length}:${announce}4:info`
  await writeFile(torrent, Buffer.concat([Buffer.from(head), info, Buffer.from('e')]))
  await mkdir(`${directory}.conf`)
  await writeFile(join(`${directory}.conf`, 'settings.json'), JSON.stringify(TRANSMISSION))
  const child = spawn(program, COMMANDS[name](torrent, directory), { stdio: 'ignore' })
  const ended = once(child, 'exit')
  const kept = async () => (await sizesIn(directory)).reduce((sum, bytes) => sum + bytes, 0)
  for (let waited = 0; waited < PATIENCE_MS && child.exitCode === null; waited += 250) {
    if ((await kept()) >= enough || (way.answered() === 0 && way.ended() >= REFUSALS[name])) break
    await sleep(250)
  }
  child.kill('SIGKILL')
  await ended
  return { kept: await kept(), answered: way.answered(), connections: way.connections() }
}

/** A way to `port` of this machine from `address`, through TLS where there is a certificate. */
async function tunnel(address: string, port: number, as?: Certificate) {
  let [answered, connections, ended] = [0, 0, 0]
  const open = new Set<Socket>()
  const server = createServer((near) => {
    connections++
    const far = as
      ? connectTls({
          ...as,
          port,
          host: '127.0.0.1',
          rejectUnauthorized: false,
          minVersion: 'TLSv1.3',
          ALPNProtocols: ['flotilla-swarm/1'],
        })
      : connect(port, '127.0.0.1')
    for (const [one, other] of [
      [near, far],
      [far, near],
    ] as const) {
      open.add(one)
      one.on('error', () => other.destroy())
      one.on('close', () => other.destroy())
      one.pipe(other)
    }
    near.on('close', () => ended++)
    far.on('data', (bytes: Buffer) => {
      answered += bytes.length
    })
  }).listen(0, address)
  await once(server, 'listening')
  onTestFinished(() => {
    for (const socket of open) socket.destroy()
    server.close()
  })
  const bound = (server.address() as AddressInfo).port
  return { port: bound, answered: () => answered, connections: () => connections, ended: () => ended }
}

/** Tells of one peer, always the same. @returns the URL to announce at */
async function tracker(address: string, port: number): Promise<string> {
  const peer = Buffer.from([...address.split('.').map(Number), port >> 8, port & 0xff])
  const answer = Buffer.concat([Buffer.from('d8:intervali2e5:peers6:'), peer, Buffer.from('e')])
  const server = createHttpServer((_request, response) => response.end(answer)).listen(0, address)
  await once(server, 'listening')
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  return `http://${address}:${(server.address() as AddressInfo).port}/announce`
}

/** What the files take on the disk: a client may give a file its full length before a byte has come. */
async function sizesIn(directory: string): Promise<number[]> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true }).catch(() => [])
  const files = entries.filter((entry) => entry.isFile() && !entry.name.endsWith('.aria2'))
  return Promise.all(
    files.map(async ({ parentPath, name }) => {
      const { size, blocks } = await stat(join(parentPath, name))
      return Math.min(size, blocks * 512)
    }),
  )
}

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { certificateOf } from '../../../../cluster/swarm/certificate.ts'
import { type Torrent, torrentOf } from '../../../../cluster/swarm/torrent.ts'
import { type Digest, hexOf } from '../../../../src/oci/digest.ts'
import { fetchWith, type StockClient } from '../../../support/stock-client.ts'
import { cargo, fleet, load, MiB, pull, type Ship } from './fleet.ts'

const SIZE = 3 * MiB

/** A blob whose infohash wakes its torrent, a member that may have it, and one that may not. */
async function treasure(): Promise<{ ship: Ship; torrent: Torrent; entitled: Ship; other: Ship }> {
  const [ship, entitled, other] = (await fleet({}, {}, {})) as [Ship, Ship, Ship]
  const goods = cargo(SIZE)
  const mayHold = ship.swarm.mayHold.bind(ship.swarm)
  ship.swarm.mayHold = async (member: string, digest: Digest) =>
    member !== other.host.self && (await mayHold(member, digest))
  await load(ship, goods)
  await pull(entitled, goods.digest)
  const hex = hexOf(goods.digest)
  const kept = await readFile(join(ship.root, 'torrents', 'sha256', hex.slice(0, 2), hex))
  return { ship, torrent: torrentOf(goods.digest, SIZE, kept.subarray(20)), entitled, other }
}

const knows = 'which knows port and torrent'

describe.each(['aria2c', 'transmission-cli'] satisfies StockClient[])(
  `%s, ${knows}`,
  { timeout: 120_000 },
  (name) => {
    it('gets not one byte, neither as a stranger nor with the key of a member that may not hold the blob', async (context) => {
      const { ship, torrent, other } = await treasure()
      const { bytesSent } = ship.swarm.transfers().torrent
      const way = { info: torrent.info, enough: 1, port: ship.swarm.address()!.port }
      const as = certificateOf(other.cast.identity.privateKey)
      // At once: Transmission thinks for half a minute before it dials.
      const [stranger, unentitled] = await Promise.all([
        fetchWith(name, way),
        fetchWith(name, { ...way, as }),
      ])
      if (!stranger || !unentitled) return context.skip(`${name}, or a network, is missing`)
      expect(stranger.connections).toBeGreaterThan(0)
      expect(stranger.kept).toBe(0)
      expect(unentitled.connections).toBeGreaterThan(0)
      expect(unentitled).toMatchObject({ kept: 0, answered: 0 })
      expect(ship.swarm.transfers().torrent.bytesSent).toBe(bytesSent)
    })
  },
)

describe(`aria2c, ${knows}`, { timeout: 120_000 }, () => {
  it('is given to with the key of a member that may hold the blob: the way there is open', async (context) => {
    const { ship, torrent, entitled } = await treasure()
    const as = certificateOf(entitled.cast.identity.privateKey)
    const port = ship.swarm.address()!.port
    const got = await fetchWith('aria2c', { info: torrent.info, enough: 1, port, as })
    if (!got) return context.skip('aria2c, or a network, is missing')
    expect(got.kept).toBeGreaterThan(0)
  })
})

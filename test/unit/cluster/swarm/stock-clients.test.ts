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

describe.each(['aria2c'] satisfies StockClient[])(
  '%s, which knows port and torrent',
  { timeout: 120_000 },
  (name) => {
    it('gets not one byte as a stranger', async (context) => {
      const { ship, torrent } = await treasure()
      const { bytesSent } = ship.swarm.transfers().torrent
      const port = ship.swarm.address()!.port
      const got = await fetchWith(name, { info: torrent.info, size: SIZE, port })
      if (!got) return context.skip(`${name}, or a network, is missing`)
      expect(got.connections).toBeGreaterThan(0)
      expect(got.kept).toBe(0)
      expect(ship.swarm.transfers().torrent.bytesSent).toBe(bytesSent)
    })

    it('gets not one byte with the key of a member that may not hold the blob', async (context) => {
      const { ship, torrent, other } = await treasure()
      const { bytesSent } = ship.swarm.transfers().torrent
      const port = ship.swarm.address()!.port
      const as = certificateOf(other.cast.identity.privateKey)
      const got = await fetchWith(name, { info: torrent.info, size: SIZE, port, as })
      if (!got) return context.skip(`${name}, or a network, is missing`)
      expect(got.connections).toBeGreaterThan(0)
      expect(got).toMatchObject({ kept: 0, answered: 0 })
      expect(ship.swarm.transfers().torrent.bytesSent).toBe(bytesSent)
    })

    it('is given to with the key of one that may: the way there is open', async (context) => {
      const { ship, torrent, entitled } = await treasure()
      const port = ship.swarm.address()!.port
      const as = certificateOf(entitled.cast.identity.privateKey)
      const got = await fetchWith(name, { info: torrent.info, size: SIZE, port, as })
      if (!got) return context.skip(`${name}, or a network, is missing`)
      // It does not say what it got to one that has it, and so is shown only the first pieces.
      expect(got.kept).toBeGreaterThan(0)
    })
  },
)

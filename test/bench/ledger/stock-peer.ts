import type { LogEntry, StockDatabase } from '@orbitdb/core'
import { startStock } from '../../support/stock-orbitdb.ts'
import { machineMs } from '../part.ts'
import { digestFor } from './member.ts'
import type { BenchPeer } from './peer.ts'

/** The same for stock OrbitDB: type KeyValue as shipped. @param address of the database; empty for a new one */
export async function startStockPeer(directory: string, address: string): Promise<BenchPeer> {
  const peer = await startStock(directory)
  const arrivals: [string, number][] = []
  let opened: Promise<StockDatabase> | undefined
  const database = () => {
    opened ??= peer.open(address === '' ? 'bench' : address).then((db) => {
      db.events.on('update', (entry) => note(entry))
      db.events.on('error', () => {})
      return db
    })
    return opened
  }
  const note = ({ payload }: LogEntry) => {
    arrivals.push([(payload as { key: string }).key, machineMs()])
  }
  if (address === '') await database()
  return {
    id: () => peer.libp2p.peerId.toString(),
    cluster: async () => (await database()).address,
    addresses: () => peer.addresses(),
    admit: async () => {},
    async meet(id, addresses) {
      peer.banned.delete(id)
      const [first] = addresses
      if (first === undefined || peer.libp2p.getPeers().some((known) => known.toString() === id)) return
      await peer.dial(first)
      // A database is opened by its address, and its manifest is asked of peers.
      await database()
    },
    async part(id) {
      peer.banned.add(id)
      for (const known of peer.libp2p.getPeers()) if (known.toString() === id) await peer.libp2p.hangUp(known)
    },
    connected: () => peer.libp2p.getPeers().map(String),
    async put(name) {
      const db = await database()
      await db.put(name, digestFor(name))
    },
    catchUp: async () => {},
    arrivals: () => arrivals.splice(0),
    // Equal heads are equal logs: a head is taken in once all before it has been.
    async standing() {
      const heads = await (await database()).log.heads()
      return heads
        .map(({ hash }) => hash)
        .sort()
        .join()
    },
    close: () => peer.close(),
  }
}

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { z } from 'zod'
import { Fault } from '../errors.ts'
import { clusterIdOf, foundingOps, writeGenesis } from '../journal/genesis.ts'
import { AUTHORITY } from '../journal/op.ts'
import { SingleNodeJournal } from '../journal/single-node.ts'
import { writeDurable } from '../runtime/durable-file.ts'
import { newRecoveryKey } from '../runtime/recovery-key.ts'
import { openSealKey } from '../runtime/sealing.ts'
import { noBlobSource } from './blob-source.ts'
import type { Collective, Membership, NodeParts, Participant } from './collective.ts'
import { durableAlone } from './durability.ts'
import type { ClusterStatus, Topology, TransferCounters } from './topology.ts'

const membershipSchema = z.strictObject({
  clusterId: z.string(),
  clusterName: z.string(),
  nodeId: z.string(),
})
const NOTHING: TransferCounters = { blobsReceived: 0, bytesReceived: 0, bytesSent: 0 }

function membershipFile(dataDir: string): string {
  return join(dataDir, 'alone.json')
}

async function readMembership(dataDir: string): Promise<Membership | undefined> {
  try {
    return membershipSchema.parse(JSON.parse(await readFile(membershipFile(dataDir), 'utf8')))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw new Fault('DATA_DIR_UNREADABLE', `${membershipFile(dataDir)} cannot be read`, {}, error)
  }
}

/** A registry of one node: everything `src/` can do, nothing to join. */
export const alone: Collective = {
  membership: readMembership,

  async found(node, clusterName, lay) {
    const nodeId = Buffer.from(node.random.bytes(16)).toString('hex')
    const recovery = newRecoveryKey(node.random)
    const genesis = writeGenesis({
      name: clusterName,
      founder: nodeId,
      nonce: node.random.bytes(32),
      time: node.clock.now(),
      recovery: recovery.publicKey,
    })
    const clusterId = clusterIdOf(genesis)
    const journal = new SingleNodeJournal({ ...node, node: nodeId, cluster: clusterId })
    const { name, site, url, tokenKey } = node.settings
    const { publicKey: sealKey } = await openSealKey(join(node.dataDir, 'seal.key'))
    const facts = { name, site, url, tokenKey, sealKey, addresses: [], swarm: [] }
    await journal.commit(AUTHORITY, () => foundingOps(genesis, nodeId, facts))
    await lay(journal)
    await journal.close()
    const membership = { clusterId, clusterName, nodeId }
    await writeDurable(membershipFile(node.dataDir), JSON.stringify(membership), 0o600)
    return { ...membership, recoveryKey: recovery.text }
  },

  async join() {
    throw new Fault('NO_CLUSTER', 'this build runs alone: it has no cluster to join')
  },

  async open(node) {
    const membership = await readMembership(node.dataDir)
    if (!membership) {
      throw new Fault('NOT_A_MEMBER', `${node.dataDir} holds no registry yet: run flotilla init first`)
    }
    const journal = new SingleNodeJournal({ ...node, node: membership.nodeId, cluster: membership.clusterId })
    await journal.open()
    return participant(node, membership, journal)
  },
}

function participant(node: NodeParts, membership: Membership, journal: SingleNodeJournal): Participant {
  const { name, site, url } = node.settings
  const topology: Topology = {
    async status(): Promise<ClusterStatus> {
      return {
        cluster: { id: membership.clusterId, name: membership.clusterName },
        self: membership.nodeId,
        stateHash: journal.stateHash(),
        members: [
          {
            id: membership.nodeId,
            name,
            site,
            state: 'member',
            role: 'anchor',
            notAfter: null,
            self: true,
            connected: true,
            addresses: [],
            url,
            sync: 'in-sync',
            lagEntries: 0,
            stateHash: journal.stateHash(),
            lastExchangeMs: null,
            rttMs: null,
          },
        ],
        notices: [],
        lanes: [],
        refused: {},
        ledger: { ...factsOf(journal), ...NOTHING_DAMAGED },
        transfers: { torrent: NOTHING, direct: NOTHING, recent: [] },
      }
    },
    invite: noCluster,
    invites: async () => [],
    withdrawInvite: noCluster,
    approve: noCluster,
    review: noCluster,
    evict: noCluster,
    leave: noCluster,
    handOver() {
      throw new Fault('NO_CLUSTER', 'this node runs alone: there is nobody to hand anything to')
    },
    handover() {
      throw new Fault('NO_CLUSTER', 'this node runs alone: there is nobody to hand anything to')
    },
    rotateNetworkKey: noCluster,
    links: async () => [],
    setLink: noCluster,
    checkStorage() {
      throw new Fault('NO_CLUSTER', 'this node runs alone: its records are not signed')
    },
  }
  return {
    ...membership,
    journal,
    blobs: noBlobSource,
    placement: {
      durability: durableAlone(journal.tables),
      view: { where: noCluster, status: noCluster },
    },
    topology,
    ended: new Promise(() => {}),
    addresses: () => [],
    start: async () => {},
    stop: () => journal.close(),
    announce: async () => {},
  }
}

const NOTHING_DAMAGED = {
  writable: true,
  forks: 0,
  parked: { blocks: 0, bytes: 0 },
  waited: 0,
  unknownOps: 0,
  damagedEntries: 0,
  mendedEntries: 0,
  damagedTables: [],
  mendedRows: 0,
  looks: 0,
  failedLooks: 0,
}

function factsOf(journal: SingleNodeJournal): { feeds: number; entries: number } {
  const seqs = Object.values(journal.frontier())
  return { feeds: seqs.length, entries: seqs.reduce((sum, seq) => sum + seq, 0) }
}

async function noCluster(): Promise<never> {
  throw new Fault('NO_CLUSTER', 'this node runs alone: it has no members')
}

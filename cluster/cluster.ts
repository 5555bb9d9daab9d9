import { Fault } from '../src/errors.ts'
import { clusterIdOf, foundingOps, writeGenesis } from '../src/journal/genesis.ts'
import type { Journal } from '../src/journal/journal.ts'
import { AUTHORITY } from '../src/journal/op.ts'
import type { Collective, Membership, NodeParts, Participant } from '../src/registry/collective.ts'
import { orbitFormat } from './ledger/orbit-format.ts'
import { ReplicatedJournal } from './ledger/replicated-journal.ts'
import { factsOf } from './membership/announcement.ts'
import {
  type ClusterNote,
  clusterPaths,
  readClusterNote,
  readNetworkKeys,
  writeClusterNote,
  writeNetworkKeys,
} from './membership/cluster-files.ts'
import { redeemInvite } from './membership/redeem.ts'
import { type Identity, loadIdentity, loadOrCreateIdentity } from './network/identity.ts'
import { WIRE_KEY_BYTES } from './network/keyring.ts'
import { ClusterNode } from './participant.ts'

/** What `src/main.ts` is handed: a node that is one of many. */
export const cluster: Collective = {
  membership: (dataDir) => readClusterNote(clusterPaths(dataDir)),
  found,
  join,
  open,
}

async function found(
  node: NodeParts,
  clusterName: string,
  lay: (journal: Journal) => Promise<void>,
): Promise<Membership> {
  const paths = clusterPaths(node.dataDir)
  const identity = await loadOrCreateIdentity(paths.identity)
  const genesis = writeGenesis({
    name: clusterName,
    founder: identity.id,
    nonce: node.random.bytes(32),
    time: node.clock.now(),
  })
  const clusterId = clusterIdOf(genesis)
  await writeNetworkKeys(paths, [node.random.bytes(WIRE_KEY_BYTES)])
  const journal = await openJournal(node, identity, clusterId)
  await journal.commit(AUTHORITY, () => foundingOps(genesis, identity.id, configuredFacts(node, identity)))
  await lay(journal)
  await journal.close()
  const note = { clusterId, clusterName, nodeId: identity.id, genesis, seeds: [] }
  await writeClusterNote(paths, note)
  return note
}

async function join(node: NodeParts, invite: string, signal: AbortSignal): Promise<Membership> {
  const paths = clusterPaths(node.dataDir)
  // Kept when joining fails: asking again with the same key finds an admission whose answer was lost.
  const identity = await loadOrCreateIdentity(paths.identity)
  const facts = configuredFacts(node, identity)
  const { clusterId, clusterName, genesis, networkKey, members } = await redeemInvite(
    { text: invite, identity, facts, signal },
    node,
  )
  await writeNetworkKeys(paths, [networkKey])
  const seeds = members.map((member) => ({ ...member, state: 'member' as const }))
  const note: ClusterNote = { clusterId, clusterName, nodeId: identity.id, genesis, seeds }
  await writeClusterNote(paths, note)
  return note
}

async function open(node: NodeParts): Promise<Participant> {
  const paths = clusterPaths(node.dataDir)
  const note = await readClusterNote(paths)
  if (!note) throw new Fault('NOT_A_MEMBER', `${node.dataDir} belongs to no cluster yet`)
  const identity = await loadIdentity(paths.identity)
  if (identity.id !== note.nodeId) {
    throw new Fault('DATA_DIR_FOREIGN', `${paths.identity} is not the key this directory was made with`, {
      expected: note.nodeId,
      found: identity.id,
    })
  }
  const networkKeys = await readNetworkKeys(paths)
  const journal = await openJournal(node, identity, note.clusterId)
  return new ClusterNode({ node, note, identity, networkKeys, journal })
}

async function openJournal(
  node: NodeParts,
  identity: Identity,
  clusterId: string,
): Promise<ReplicatedJournal> {
  const { store, clock, logger } = node
  const journal = new ReplicatedJournal({
    store,
    node: identity.id,
    format: orbitFormat(identity),
    clusterId,
    clock,
    log: logger.child({ room: 'ledger' }),
  })
  await journal.open()
  return journal
}

/** As far as it is known before anything listens; the node announces the rest when it serves. */
function configuredFacts({ settings }: NodeParts, identity: Identity) {
  const { clusterPort, swarmPort, url } = settings
  return factsOf(settings, identity.id, { clusterPort, swarmPort }, url)
}

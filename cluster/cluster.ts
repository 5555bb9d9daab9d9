import { rm } from 'node:fs/promises'
import { Fault } from '../src/errors.ts'
import { clusterIdOf, foundingOps, writeGenesis } from '../src/journal/genesis.ts'
import type { Journal } from '../src/journal/journal.ts'
import { AUTHORITY } from '../src/journal/op.ts'
import type { Collective, Founding, Membership, NodeParts, Participant } from '../src/registry/collective.ts'
import { newRecoveryKey } from '../src/runtime/recovery-key.ts'
import { openSealKey, type SealKey } from '../src/runtime/sealing.ts'
import { orbitFormat } from './ledger/orbit-format.ts'
import { ReplicatedJournal } from './ledger/replicated-journal.ts'
import { factsOf } from './membership/announcement.ts'
import {
  type ClusterNote,
  clusterPaths,
  isCopied,
  readClusterNote,
  readJoining,
  readLife,
  writeClusterNote,
  writeJoining,
} from './membership/cluster-files.ts'
import { firstKey, networkKeyName, readNetworkKeys, writeNetworkKeys } from './membership/network-keys.ts'
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
): Promise<Founding> {
  const paths = clusterPaths(node.dataDir)
  const identity = await loadOrCreateIdentity(paths.identity)
  const sealKey = await openSealKey(paths.sealKey)
  const recovery = newRecoveryKey(node.random)
  const genesis = writeGenesis({
    name: clusterName,
    founder: identity.id,
    nonce: node.random.bytes(32),
    time: node.clock.now(),
    recovery: recovery.publicKey,
  })
  const clusterId = clusterIdOf(genesis)
  await writeNetworkKeys(paths.networkKey, [firstKey(node.random.bytes(WIRE_KEY_BYTES))])
  const journal = await openJournal(node, identity, clusterId)
  await journal.commit(AUTHORITY, () =>
    foundingOps(genesis, identity.id, configuredFacts(node, identity, sealKey)),
  )
  await lay(journal)
  await journal.close()
  const note = { clusterId, clusterName, nodeId: identity.id, genesis, seeds: [] }
  await writeClusterNote(paths, note)
  return { ...note, recoveryKey: recovery.text }
}

async function join(
  node: NodeParts,
  invite: string,
  { signal, onPending }: Parameters<Collective['join']>[2],
): Promise<Membership> {
  const paths = clusterPaths(node.dataDir)
  // Kept when joining fails: asking again with the same key finds an admission whose answer was lost.
  const identity = await loadOrCreateIdentity(paths.identity)
  const sealKey = await openSealKey(paths.sealKey)
  const facts = configuredFacts(node, identity, sealKey)
  const before = await readClusterNote(paths)
  const { clusterId, clusterName, genesis, networkKeys, members } = await redeemInvite(
    {
      text: invite,
      identity,
      facts,
      signal,
      ...(before && { clusterId: before.clusterId }),
      waitingBy: await readJoining(paths),
      async onPending(inviteId) {
        await writeJoining(paths, inviteId)
        onPending(identity.id)
      },
    },
    node,
  )
  const now = node.clock.now()
  const keys = networkKeys.map(({ key, rank, leftMs }) => ({
    name: networkKeyName(key),
    key,
    rank,
    until: leftMs === null ? null : now + leftMs,
  }))
  await writeNetworkKeys(paths.networkKey, keys)
  const note: ClusterNote = { clusterId, clusterName, nodeId: identity.id, genesis, seeds: members }
  await writeClusterNote(paths, note)
  await rm(paths.joining, { force: true })
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
  const networkKeys = await readNetworkKeys(paths.networkKey)
  const sealKey = await openSealKey(paths.sealKey)
  const journal = await openJournal(node, identity, note.clusterId, await readLife(paths))
  const copied = await isCopied(paths)
  return new ClusterNode({ node, note, identity, sealKey, networkKeys, journal, copied })
}

async function openJournal(
  node: NodeParts,
  identity: Identity,
  clusterId: string,
  life?: string,
): Promise<ReplicatedJournal> {
  const { store, clock, logger } = node
  const journal = new ReplicatedJournal({
    store,
    node: identity.id,
    format: orbitFormat(identity),
    clusterId,
    clock,
    log: logger.child({ room: 'ledger' }),
    blobs: node.blobs,
    ...(life !== undefined && { life }),
  })
  await journal.open()
  return journal
}

/** As far as it is known before anything listens; the node announces the rest when it serves. */
function configuredFacts({ settings }: NodeParts, identity: Identity, { publicKey: sealKey }: SealKey) {
  const { clusterPort, swarmPort, url } = settings
  return factsOf({ ...settings, sealKey }, identity.id, { clusterPort, swarmPort }, url)
}

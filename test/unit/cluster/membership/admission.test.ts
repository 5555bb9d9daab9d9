import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { multiaddr } from '@multiformats/multiaddr'
import { createLibp2p } from 'libp2p'
import { expect, onTestFinished, test } from 'vitest'
import { INVITE_MEMORY_MS, INVITE_MS_MAX } from '../../../../cluster/limits.ts'
import {
  ADMISSION_PROTOCOL,
  type AdmissionAnswer,
  type AdmissionPackage,
  type AdmissionRequest,
} from '../../../../cluster/membership/admission.ts'
import { AdmissionDesk } from '../../../../cluster/membership/admission-desk.ts'
import { type Invite, readInvite, writeInvite } from '../../../../cluster/membership/invite.ts'
import { inviteKey, proofOf } from '../../../../cluster/membership/invite-keys.ts'
import { redeemInvite } from '../../../../cluster/membership/redeem.ts'
import { StreamChannel } from '../../../../cluster/network/channel.ts'
import { Host } from '../../../../cluster/network/host.ts'
import type { Identity } from '../../../../cluster/network/identity.ts'
import { Keyring } from '../../../../cluster/network/keyring.ts'
import { KeyringProtector } from '../../../../cluster/network/keyring-protector.ts'
import { wire } from '../../../../cluster/network/libp2p-node.ts'
import { Fault } from '../../../../src/errors.ts'
import { clusterIdOf, writeGenesis } from '../../../../src/journal/genesis.ts'
import type { NodeFacts } from '../../../../src/journal/rows.ts'
import { allUp, ListRoster, networkKey, newIdentity, runtime, temporary } from '../network/cast.ts'
import { inviteRow, SerialLedger } from './serial-ledger.ts'

const HOUR = 60 * 60_000
const factsOf = (name: string): NodeFacts => ({
  name,
  site: 'there',
  addresses: [],
  swarm: [],
  url: null,
  tokenKey: 'k'.repeat(43),
  sealKey: 's'.repeat(43),
})

/** A founder with its desk open. The time it believes in can be set. */
async function founder() {
  const identity = await newIdentity()
  const genesis = Uint8Array.from(
    writeGenesis({
      name: 'harbour',
      founder: identity.id,
      nonce: new Uint8Array(32),
      time: 1,
      recovery: new Uint8Array(32),
    }),
  )
  const clusterId = clusterIdOf(genesis)
  const key = networkKey()
  const keyring = new Keyring(key)
  const roster = new ListRoster()
  const time = { ahead: 0 }
  const clock = { ...runtime.clock, now: () => runtime.clock.now() + time.ahead }
  const parts = { ...runtime, clock, keyring, roster }
  const host = new Host({ clusterId, listen: ['/ip4/127.0.0.1/tcp/0'] }, { ...parts, identity })
  await host.start()
  onTestFinished(() => host.stop())
  const addresses = host.addresses()
  roster.put(host.self, { name: 'first', addresses })
  const member = { id: host.self, name: 'first', site: 'here', addresses, swarm: [], url: null }
  const networkKeys = [{ key, rank: null, leftMs: null }]
  const admission = { clusterId, clusterName: 'harbour', genesis, networkKeys, members: [member] }
  const ledger = new SerialLedger(admission, roster)
  const path = join(await temporary(), 'invites.json')
  const deskParts = { ...parts, network: host, ledger }
  const desk = new AdmissionDesk({ clusterId, clusterName: 'harbour', path }, deskParts)
  await desk.start()
  onTestFinished(() => desk.stop())
  const invite = async (ttlMs?: number) => {
    const { record, text } = await desk.issue(ttlMs)
    ledger.records.set(record.id, inviteRow(record, host.self))
    return { id: record.id, text }
  }
  const restartDesk = async () => {
    await desk.stop()
    for (const id of ledger.records.keys()) keyring.removeInvite(id)
    const again = new AdmissionDesk({ clusterId, clusterName: 'harbour', path }, deskParts)
    await again.start()
    onTestFinished(() => again.stop())
    return again
  }
  return { host, keyring, roster, ledger, desk, path, clusterId, key, time, invite, restartDesk, admission }
}

/** A connection by the invite's key, and the question of whoever made it: for those who ask without manners. */
async function knock({ inviteId, secret, inviter, clusterId, addresses }: Invite) {
  const identity = await newIdentity()
  const key = { id: `invite:${inviteId}`, key: inviteKey(secret, inviteId) } as const
  const node = await createLibp2p({
    ...wire(new KeyringProtector({ outbound: () => key, inbound: () => [] }, runtime.random)),
    privateKey: identity.privateKey,
    connectionMonitor: { enabled: false },
  })
  onTestFinished(() => node.stop())
  const proof = proofOf(secret, inviteId, { clusterId, inviter, joiner: identity.id })
  const request: AdmissionRequest = { version: 1, inviteId, clusterId, proof, facts: factsOf('second') }
  return { connection: await node.dial(multiaddr(addresses[0])), request }
}

function redeem(text: string, identity: Identity, name = 'second', now?: number): Promise<AdmissionPackage> {
  const clock = now === undefined ? runtime.clock : { ...runtime.clock, now: () => now }
  return redeemInvite({ text, identity, facts: factsOf(name) }, { ...runtime, clock })
}

test('a node joins by an invite and is then a member like the others', async () => {
  const { host, roster, clusterId, admission, invite, ledger } = await founder()
  const identity = await newIdentity()
  const joined = await redeem((await invite()).text, identity)
  expect(joined).toEqual(admission)
  expect(ledger.admitted).toEqual([identity.id])

  const own = new ListRoster()
  for (const { id, ...facts } of joined.members) own.put(id, facts)
  const newcomer = new Host(
    { clusterId, listen: ['/ip4/127.0.0.1/tcp/0'] },
    { ...runtime, identity, keyring: new Keyring(...joined.networkKeys.map(({ key }) => key)), roster: own },
  )
  await newcomer.start()
  onTestFinished(() => newcomer.stop())
  await allUp(newcomer, 1)
  await allUp(host, 1)
  expect(newcomer.connected()).toEqual([host.self])
  expect(roster.isMember(identity.id)).toBe(true)
})

test('joining takes well under a second where the network is near', async () => {
  const { invite } = await founder()
  const { text } = await invite()
  const identity = await newIdentity()
  const startedAt = performance.now()
  await redeem(text, identity)
  expect(performance.now() - startedAt).toBeLessThan(1_000)
})

test('of fifty nodes that redeem one invite at once exactly one is admitted, and the others hear why not', {
  timeout: 60_000,
}, async () => {
  const { invite, ledger } = await founder()
  const { text } = await invite()
  const identities = await Promise.all(Array.from({ length: 50 }, () => newIdentity()))
  const results = await Promise.allSettled(identities.map((identity) => redeem(text, identity)))
  expect(results.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  const codes = results.flatMap((result) =>
    result.status === 'rejected' ? (result.reason as Fault).code : [],
  )
  expect(new Set(codes)).toEqual(new Set(['INVITE_USED']))
  expect(ledger.admitted).toHaveLength(1)
})

test('of a thousand questions at once, from sixteen nodes that all know the secret, one node is admitted', {
  timeout: 60_000,
}, async () => {
  const { invite, ledger } = await founder()
  const known = readInvite((await invite()).text, { now: 0 })
  const answers = await Promise.all(
    Array.from({ length: 16 }, async () => {
      const { connection, request } = await knock(known)
      return Promise.all(
        Array.from({ length: 63 }, async () => {
          const stream = await connection.newStream([ADMISSION_PROTOCOL])
          const channel = new StreamChannel(stream, known.inviter)
          await channel.send(request)
          return (await channel.receive()) as AdmissionAnswer
        }),
      )
    }),
  )
  expect(answers.flat()).toHaveLength(1_008)
  expect(ledger.admitted).toHaveLength(1)
  // The one that was admitted hears the same each time, the others that it is used.
  expect(answers.filter((own) => own.every(({ ok }) => ok))).toHaveLength(1)
  const refused = answers.flat().flatMap((answer) => (answer.ok ? [] : answer.code))
  expect(refused).toHaveLength(15 * 63)
  expect(new Set(refused)).toEqual(new Set(['INVITE_USED']))
})

test('a second use is refused as used, though the secret is gone', async () => {
  const { invite, path } = await founder()
  const { text } = await invite()
  await redeem(text, await newIdentity())
  await expect(redeem(text, await newIdentity())).rejects.toMatchObject({ code: 'INVITE_USED' })
  const secret = Buffer.from(readInvite(text, { now: 0 }).secret)
  expect(await readFile(path, 'utf8')).not.toContain(secret.toString('base64url'))
})

test('the node that was admitted may ask again, as when its answer was lost', async () => {
  const { invite, ledger, admission } = await founder()
  const { text } = await invite()
  const identity = await newIdentity()
  await redeem(text, identity)
  expect(await redeem(text, identity)).toEqual(admission)
  expect(ledger.admitted).toEqual([identity.id])
})

test('an open invite survives a restart of its node, a used one stays used', async () => {
  const { invite, restartDesk, path } = await founder()
  const [open, used] = [await invite(), await invite()]
  await redeem(used.text, await newIdentity())
  await restartDesk()
  expect((await stat(path)).mode & 0o777).toBe(0o600)
  await expect(redeem(used.text, await newIdentity())).rejects.toMatchObject({ code: 'INVITE_USED' })
  await redeem(open.text, await newIdentity())
})

test('a crash after the admission was committed leaves the invite used, and its node welcome', async () => {
  const { invite, ledger, restartDesk } = await founder()
  const { id, text } = await invite()
  const identity = await newIdentity()
  // Committed, but neither struck from the file nor answered.
  await ledger.admit(id, identity.id, factsOf('second'))
  await restartDesk()
  await expect(redeem(text, await newIdentity())).rejects.toMatchObject({ code: 'INVITE_USED' })
  await redeem(text, identity)
  expect(ledger.admitted).toEqual([identity.id])
})

test('an invite that expired at its node is refused as expired, whatever the joiner’s clock says', async () => {
  const { invite, time, path } = await founder()
  const { text } = await invite(HOUR)
  time.ahead = HOUR
  await expect(redeem(text, await newIdentity(), 'second', 0)).rejects.toMatchObject({
    code: 'INVITE_EXPIRED',
  })
  expect(await readFile(path, 'utf8')).toContain('"inviteId"')
})

test('an expired invite is refused before anything is dialled where the joiner’s clock knows', async () => {
  const { invite } = await founder()
  const { text } = await invite(HOUR)
  const later = runtime.clock.now() + HOUR
  await expect(redeem(text, await newIdentity(), 'second', later)).rejects.toMatchObject({
    code: 'INVITE_EXPIRED',
  })
})

test('the secret of an expired invite is gone from the file, and after a while the invite is unknown', async () => {
  const { invite, time, restartDesk, path, keyring } = await founder()
  const { text } = await invite(HOUR)
  const secret = Buffer.from(readInvite(text, { now: 0 }).secret).toString('base64url')
  expect(await readFile(path, 'utf8')).toContain(secret)
  time.ahead = HOUR + 1
  await restartDesk()
  expect(await readFile(path, 'utf8')).not.toContain(secret)
  await expect(redeem(text, await newIdentity(), 'second', 0)).rejects.toMatchObject({
    code: 'INVITE_EXPIRED',
  })
  time.ahead = HOUR + INVITE_MEMORY_MS + 1
  await restartDesk()
  expect(keyring.inbound()).toHaveLength(1)
  await expect(redeem(text, await newIdentity(), 'second', 0)).rejects.toMatchObject({
    code: 'INVITE_UNKNOWN',
  })
})

test('a wrong secret is refused, as is another invite’s secret behind a known wire key', async () => {
  const { invite, keyring } = await founder()
  const { text } = await invite()
  const forged = { ...readInvite(text, { now: 0 }), secret: new Uint8Array(16) }
  await expect(redeem(writeInvite(forged), await newIdentity())).rejects.toMatchObject({
    code: 'INVITE_UNKNOWN',
  })
  // With a wire key that is let in, but not the secret, one gets as far as the desk and no further.
  keyring.addInvite(forged.inviteId, inviteKey(forged.secret, forged.inviteId))
  await expect(redeem(writeInvite(forged), await newIdentity())).rejects.toMatchObject({
    code: 'INVITE_UNKNOWN',
  })
})

test('an invite that names another cluster is refused by the desk and by the joiner', async () => {
  const { invite, clusterId } = await founder()
  const { text } = await invite()
  const other = writeInvite({ ...readInvite(text, { now: 0 }), clusterId: 'd'.repeat(64) })
  await expect(redeem(other, await newIdentity())).rejects.toMatchObject({ code: 'INVITE_OTHER_CLUSTER' })
  await expect(
    redeemInvite({ text: other, identity: await newIdentity(), facts: factsOf('x'), clusterId }, runtime),
  ).rejects.toMatchObject({ code: 'INVITE_OTHER_CLUSTER' })
})

test('a joiner does not accept a genesis that is not the invited cluster’s', async () => {
  const { invite, admission, ledger } = await founder()
  const { text } = await invite()
  ledger.admit = () => Promise.resolve({ ...admission, genesis: new Uint8Array([1, 2, 3]) })
  await expect(redeem(text, await newIdentity())).rejects.toMatchObject({ code: 'INVITE_OTHER_CLUSTER' })
})

test('an evicted node and one that left are told so, and use up nothing', async () => {
  const { invite, roster, ledger } = await founder()
  const { text } = await invite()
  const [evicted, left] = [await newIdentity(), await newIdentity()]
  roster.put(evicted.id, { state: 'evicted' })
  roster.put(left.id, { state: 'left' })
  await expect(redeem(text, evicted)).rejects.toMatchObject({ code: 'NODE_EVICTED' })
  await expect(redeem(text, left)).rejects.toMatchObject({ code: 'NODE_LEFT' })
  await redeem(text, await newIdentity())
  expect(ledger.admitted).toHaveLength(1)
})

test('an invite whose record is not yet in the journal admits nobody', async () => {
  const { desk, ledger } = await founder()
  const { text } = await desk.issue()
  await expect(redeem(text, await newIdentity())).rejects.toMatchObject({ code: 'INVITE_UNKNOWN' })
  expect(ledger.admitted).toEqual([])
})

test('a node that answers nowhere is reported with every address tried', async () => {
  const { invite, host } = await founder()
  const { text } = await invite()
  await host.stop()
  await expect(redeem(text, await newIdentity())).rejects.toMatchObject({
    code: 'PEER_UNREACHABLE',
    facts: {
      addresses: readInvite(text, { now: 0 }).addresses,
      reasons: [expect.stringContaining('ECONNREFUSED')],
    },
  })
})

test('another node at the invited address is not taken for the inviter', async () => {
  const [a, b] = [await founder(), await founder()]
  const { text } = await a.invite()
  const moved = writeInvite({ ...readInvite(text, { now: 0 }), addresses: b.host.addresses() })
  await expect(redeem(moved, await newIdentity())).rejects.toMatchObject({ code: 'INVITE_UNKNOWN' })
})

test('facts that break the rules are refused before the ledger hears of them', async () => {
  const { invite, ledger } = await founder()
  const { text } = await invite()
  const facts = { ...factsOf('Not A Name'), isAdmin: true }
  await expect(redeemInvite({ text, identity: await newIdentity(), facts }, runtime)).rejects.toMatchObject({
    code: 'ADMISSION_MALFORMED',
  })
  expect(ledger.admitted).toEqual([])
})

test('what goes wrong inside the ledger is not told to the joiner, a fault in words is', async () => {
  const { invite, ledger } = await founder()
  const { text } = await invite()
  ledger.admit = () => Promise.reject(new Error('EIO: /data/secret/path'))
  await expect(redeem(text, await newIdentity())).rejects.toMatchObject({
    code: 'ADMISSION_FAILED',
    message: expect.not.stringContaining('/data') as string,
  })
  ledger.admit = () => Promise.reject(new Fault('JOURNAL_BUSY', 'try again'))
  await expect(redeem(text, await newIdentity())).rejects.toMatchObject({ code: 'JOURNAL_BUSY' })
})

test('joining can be abandoned', async () => {
  const { invite, ledger } = await founder()
  const { text } = await invite()
  ledger.admit = () => Promise.withResolvers<AdmissionPackage>().promise
  const patience = new AbortController()
  const joining = redeemInvite(
    { text, identity: await newIdentity(), facts: factsOf('second'), signal: patience.signal },
    runtime,
  )
  const reason = new Error('enough')
  patience.abort(reason)
  await expect(joining).rejects.toBe(reason)
})

test('an invite is valid for a day at most', async () => {
  const { desk } = await founder()
  for (const ttlMs of [0, -1, Number.NaN, INVITE_MS_MAX + 1])
    await expect(desk.issue(ttlMs)).rejects.toMatchObject({ code: 'INVITE_TTL_INVALID' })
})

import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { NETWORK_KEY_RETRY_MS, NETWORK_KEY_WINDOW_MS } from '../../../../cluster/limits.ts'
import { KeyRotation } from '../../../../cluster/membership/key-rotation.ts'
import { MemberActs } from '../../../../cluster/membership/member-acts.ts'
import {
  firstKey,
  networkKeyName,
  readNetworkKeys,
  writeNetworkKeys,
} from '../../../../cluster/membership/network-keys.ts'
import { TableRoster } from '../../../../cluster/membership/table-roster.ts'
import { Keyring } from '../../../../cluster/network/keyring.ts'
import { Fault } from '../../../../src/errors.ts'
import { op } from '../../../../src/journal/kinds.ts'
import { AUTHORITY, type NewOp } from '../../../../src/journal/op.ts'
import type { Random } from '../../../../src/runtime/random.ts'
import { openSealKey, seal } from '../../../../src/runtime/sealing.ts'
import { everything, factsOf, fleet, type Site, temporary } from '../ledger/shipyard.ts'
import { networkKey, runtime } from '../network/cast.ts'

const NODE = { actor: 'node', permit: () => {} }
const FIRST = networkKey()

/** Of the time in which one of many does something it is always the last moment. */
const PATIENT: Random = { bytes: (length) => runtime.random.bytes(length), integer: (below) => below - 1 }

/** A site that keeps its network keys, with a clock a test sets. */
async function keeper(site: Site, directory?: string, random: Random = runtime.random) {
  const folder = directory ?? (await temporary())
  const path = join(folder, 'network.key')
  if (directory === undefined) await writeNetworkKeys(path, [firstKey(FIRST)])
  const time = { ahead: 0 }
  const disk = { isFull: false }
  const clock = { ...runtime.clock, now: () => runtime.clock.now() + time.ahead }
  const sealKey = await openSealKey(join(folder, 'seal.key'))
  const roster = new TableRoster(site.journal, { ...runtime, clock })
  await roster.start()
  const keyring = new Keyring(FIRST)
  const open = async () => {
    const keys = await readNetworkKeys(path)
    const parts = { ...runtime, random, journal: site.journal, keyring, sealKey, seal, roster, clock }
    const keep = async (all: Parameters<typeof writeNetworkKeys>[1]) => {
      if (disk.isFull) throw new Fault('STORAGE_FULL', 'the disk is full')
      await writeNetworkKeys(path, all)
    }
    const rotation = new KeyRotation({ keys, keep }, parts)
    await rotation.start()
    onTestFinished(() => rotation.stop())
    return rotation
  }
  const rotation = await open()
  onTestFinished(() => roster.stop())
  const facts = { ...factsOf('x'), sealKey: sealKey.publicKey, addresses: [], swarm: [] }
  await site.journal.commit(AUTHORITY, () => [op('node.announced', { facts }, 'node')])
  return { site, folder, path, time, disk, roster, keyring, rotation, open }
}

async function fleetOfKeepers(members: number, random?: Random) {
  const { founder, others } = await fleet(members)
  const keepers = [await keeper(founder, undefined, random)]
  for (const site of others) keepers.push(await keeper(site, undefined, random))
  const share = async () => {
    for (const from of [founder, ...others])
      for (const to of [founder, ...others])
        if (from !== to) await to.journal.take(await everything(from), from.identity.id)
  }
  await share()
  return { keepers, share }
}

const names = (one: { rotation: KeyRotation }) => one.rotation.live().map(({ name }) => name)

test('a new key reaches every member sealed, is dialled with at once, and the old one is let in for a day', async () => {
  const { keepers, share } = await fleetOfKeepers(2)
  const [a, b, c] = keepers as [(typeof keepers)[0], (typeof keepers)[0], (typeof keepers)[0]]
  const name = await a.rotation.rotate(NODE)
  await share()
  for (const one of [a, b, c]) await expect.poll(() => names(one)[0]).toBe(name)
  expect(b.keyring.outbound().key).toEqual(a.keyring.outbound().key)
  expect(b.keyring.inbound().map(({ key }) => key)).toContainEqual(FIRST)
  expect(await readFile(b.path, 'utf8')).toContain(name)

  b.time.ahead = NETWORK_KEY_WINDOW_MS + 1_000
  await b.rotation.stop()
  const again = await b.open()
  expect(again.live().map((one) => one.name)).toEqual([name])
  expect(b.keyring.inbound()).toHaveLength(1)
  const key = Buffer.from(FIRST).toString('base64url')
  expect(await readFile(b.path, 'utf8')).not.toContain(key)
})

test('keys that are changed at two places at once are all let in, and all dial with the same one', async () => {
  const { keepers, share } = await fleetOfKeepers(1)
  const [a, b] = keepers as [(typeof keepers)[0], (typeof keepers)[0]]
  await a.rotation.rotate(NODE)
  await b.rotation.rotate(NODE)
  await share()
  await expect.poll(() => [names(a).length, names(b).length]).toEqual([3, 3])
  expect(names(a)[0]).toBe(names(b)[0])
})

test('who is put out is given no copy of the new key', async () => {
  const { keepers, share } = await fleetOfKeepers(2)
  const [a, b, c] = keepers as [(typeof keepers)[0], (typeof keepers)[0], (typeof keepers)[0]]
  const acts = new MemberActs({ journal: a.site.journal, rotation: a.rotation })
  const gone = c.site.identity.id
  await acts.evict(gone, { compromised: true, acceptUntil: null, reason: 'stolen' }, NODE)
  await share()
  await expect.poll(() => names(b).length).toBe(2)
  expect(a.site.journal.tables.get('nodes', gone)?.state).toBe('evicted')
  const row = a.site.journal.tables.get('networkKeys', names(a)[0] as string)
  expect(Object.keys(row?.sealed ?? {}).sort()).toEqual([a.site.identity.id, b.site.identity.id].sort())
  expect(names(c)).toHaveLength(1)
})

test('a node that was stopped between the record and its file takes the key up when it starts', async () => {
  const { keepers, share } = await fleetOfKeepers(1)
  const [a, b] = keepers as [(typeof keepers)[0], (typeof keepers)[0]]
  await b.rotation.stop()
  const name = await a.rotation.rotate(NODE)
  await share()
  expect(await readFile(b.path, 'utf8')).not.toContain(name)
  const again = await b.open()
  expect(again.live()[0]?.name).toBe(name)
})

test('a key whose record counts no more is dialled with no more, by who had taken it up and after a restart too', async () => {
  const { keepers, share } = await fleetOfKeepers(2, PATIENT)
  const [a, b, c] = keepers as [(typeof keepers)[0], (typeof keepers)[0], (typeof keepers)[0]]
  const commit = (site: Site, ...ops: NewOp[]) => site.journal.commit(AUTHORITY, () => ops)
  const facts = {
    email: '',
    realname: '',
    comment: '',
    passwordHash: '$argon2id$v=19$m=8,t=1,p=1$c2FsdA$aGFzaA',
  }
  const person = (name: string, number: number) =>
    op('user.created', { name, number, admin: true, ...facts }, 'node')
  const { ids } = await commit(a.site, person('root', 2), person('mallory', 3))
  const [root = '', mallory = ''] = ids
  await share()
  // Cut off from b, a takes the right away by which b changes the key a moment later; c had taken that key up.
  const wrong = await b.rotation.rotate({ actor: mallory, permit: () => {} })
  await c.site.journal.take(await everything(b.site), b.site.identity.id)
  await expect.poll(() => names(c)[0]).toBe(wrong)
  await c.rotation.stop()
  await commit(a.site, op('user.admin-set', { user: mallory, admin: false }, root))
  await share()
  await expect.poll(() => names(b)).toEqual([names(a)[0], wrong])
  expect(names(a)).toHaveLength(1)
  // Who had not been told while it ran finds it when it starts.
  const again = await c.open()
  expect(again.live().map(({ name }) => name)).toEqual([names(a)[0], wrong])
  expect(c.keyring.outbound().key).toEqual(FIRST)

  // The next change goes everywhere as ever.
  const right = await a.rotation.rotate({ actor: root, permit: () => {} })
  await share()
  await expect.poll(() => [names(b)[0], again.live()[0]?.name]).toEqual([right, right])
})

test('a key that a full disk did not take is taken up as soon as there is room', async () => {
  const { keepers, share } = await fleetOfKeepers(1)
  const [a, b] = keepers as [(typeof keepers)[0], (typeof keepers)[0]]
  b.disk.isFull = true
  const name = await a.rotation.rotate(NODE)
  await share()
  await expect.poll(() => b.site.journal.tables.get('networkKeys', name)?.key).toBe(name)
  expect(names(b)).toHaveLength(1)
  b.disk.isFull = false
  await expect.poll(() => names(b)[0], { timeout: 3 * NETWORK_KEY_RETRY_MS }).toBe(name)
}, 30_000)

test('whoever was left out of a change is told by the next one, though who let it in is gone', async () => {
  const { keepers, share } = await fleetOfKeepers(2)
  const [a, b, c] = keepers as [(typeof keepers)[0], (typeof keepers)[0], (typeof keepers)[0]]
  const left = op(
    'network.key-rotated',
    { key: '00'.repeat(8), sealed: { [a.site.identity.id]: new Uint8Array(80) } },
    'node',
  )
  await b.site.journal.commit(AUTHORITY, () => [left])
  await b.rotation.stop()
  await share()
  await expect
    .poll(
      async () => {
        await share()
        return names(c)[0] !== networkKeyName(FIRST) && names(a)[0] === names(c)[0]
      },
      { timeout: 20_000 },
    )
    .toBe(true)
}, 30_000)

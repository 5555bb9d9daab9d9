import { decode, encode } from 'cborg'
import { expect, test } from 'vitest'
import { encodeEntry } from '../../../../src/journal/entry.ts'
import { AUTHORITY, CATALOG, type Entry } from '../../../../src/journal/op.ts'
import {
  admit,
  everything,
  type Forgery,
  fleet,
  forge,
  foundSite,
  newCluster,
  newIdentity,
  nextEntry,
  openSite,
  type Plan,
  type Site,
  tag,
  user,
  write,
} from './shipyard.ts'

const later: Entry['ops'] = [{ kind: 'project.sailed', version: 1, actor: 'x', body: { knots: 7 } }]

/** A founder that reads, and a member whose key is in the wrong hands. */
async function scene() {
  const { plan, founder, others } = await fleet(1)
  const [member] = others as [Site]
  return { plan, reader: founder, member }
}

/** What the member would write next, as an honest program would fill it in. */
function honest(reader: Site, member: Site): Entry {
  const depth = 1 + Object.values(reader.journal.frontier()).length
  return { ...nextEntry(member, later), depth: Math.max(depth, 3) }
}

async function offer(reader: Site, ...blocks: Uint8Array[]) {
  const before = { ...reader.journal.status().refused }
  const taken = await reader.journal.take(blocks, 'from')
  const refused = Object.entries(reader.journal.status().refused)
    .filter(([code, times]) => times > (before[code] ?? 0))
    .map(([code]) => code)
  return { ...taken, codes: refused }
}

test('a member’s well-formed entry is taken in, though its kind is unknown here', async () => {
  const { plan, reader, member } = await scene()
  const taken = await offer(reader, await forge(plan, member.identity, honest(reader, member)))
  expect(taken).toEqual({ applied: 1, refused: 0, incomplete: false, codes: [] })
  expect(reader.journal.frontier()[`${AUTHORITY}@${member.identity.id}`]).toBe(1)
})

test('an entry of a kind this version does not know is kept and handed on, byte for byte', async () => {
  const { plan, reader, member } = await scene()
  const block = await forge(plan, member.identity, honest(reader, member))
  await reader.journal.take([block], member.identity.id)
  const third = await openSite(plan)
  await third.journal.take(await everything(reader), reader.identity.id)
  expect((await everything(third)).map((bytes) => Buffer.from(bytes))).toContainEqual(Buffer.from(block))
  expect(third.journal.stateHash()).toBe(reader.journal.stateHash())
})

test('a newcomer needs nothing but the cluster’s id: the genesis names the founder, who admits the rest', async () => {
  const { plan, founder, others } = await fleet(2)
  await write(others[0] as Site, 2)
  await founder.journal.take(await everything(others[0] as Site), 'x')
  const newcomer = await openSite(plan)
  const all = await everything(founder)
  expect(await offer(newcomer, ...all)).toEqual({
    applied: all.length,
    refused: 0,
    incomplete: false,
    codes: [],
  })
  expect(newcomer.journal.position()).toEqual(founder.journal.position())
})

test('a genesis of somebody else founds nothing here', async () => {
  const plan = newCluster()
  const other = newCluster()
  const usurper = await foundSite(other)
  const newcomer = await openSite(plan)
  expect((await offer(newcomer, ...usurper.blocks)).codes).toEqual(['ENTRY_FOREIGN'])
  const genesis = [{ kind: 'cluster.founded', version: 1, actor: 'node', body: { genesis: other.genesis } }]
  const entry = { ...nextEntry(usurper, genesis), cluster: plan.clusterId, seq: 1, depth: 1, seen: {} }
  expect((await offer(newcomer, await forge(plan, other.founder, entry))).codes).toEqual(['AUTHOR_UNKNOWN'])
  expect(newcomer.journal.frontier()).toEqual({})
})

test('the history of a node that left or was evicted is still everybody’s history', async () => {
  const { plan, founder, others } = await fleet(1)
  const [member] = others as [Site]
  await write(member, 3)
  await founder.journal.take(await everything(member), 'x')
  const body = { node: member.identity.id, compromised: false, frontier: null, reason: 'gone' }
  await founder.journal.commit(AUTHORITY, () => [{ kind: 'node.evicted', body, actor: 'node' }])
  const late = await openSite(plan)
  expect((await offer(late, ...(await everything(founder)))).codes).toEqual([])
  expect(late.journal.position()).toEqual(founder.journal.position())
})

const stranger = newIdentity()
const forgeries: Record<
  string,
  (plan: Plan, entry: Entry, member: Site, reader: Site) => Promise<Uint8Array>
> = {
  'the victim’s identity with the attacker’s key and signature': (plan, entry, member) =>
    forge(plan, stranger, entry, { unsigned: { identity: member.identity.id } }),
  'the victim’s identity and key with the attacker’s signature': (plan, entry, member) =>
    forge(plan, stranger, entry, keysOf(member)),
  'the victim’s identity, key and clock with the attacker’s signature': async (plan, entry, member) => {
    const clock = { id: publicKey(member), time: 1 }
    return forge(plan, stranger, entry, { ...keysOf(member), clock })
  },
  'the attacker’s identity with the victim’s key': (plan, entry, member) =>
    forge(plan, member.identity, entry, { unsigned: { identity: stranger.id } }),
  'the attacker’s own name in another’s feed': (plan, entry, member) =>
    forge(plan, stranger, entry, { unsigned: { identity: stranger.id, key: publicKey(member) } }),
  'a signature of another entry': async (plan, entry, member) => {
    const other = await forge(plan, member.identity, { ...entry, time: 7 })
    return forge(plan, member.identity, entry, { unsigned: { sig: signatureIn(other) } })
  },
  'a signature with a bit turned': async (plan, entry, member) => {
    const sig = signatureIn(await forge(plan, member.identity, entry))
    const turned = (Number.parseInt(sig[0] as string, 16) ^ 1).toString(16) + sig.slice(1)
    return forge(plan, member.identity, entry, { unsigned: { sig: turned } })
  },
  // OrbitDB checks the signature against `_payload` where a block brings one.
  'another payload, with the signed one hidden beside it': async (plan, entry, member) => {
    const block = decode(await forge(plan, member.identity, entry)) as { payload: Uint8Array }
    const payload = encodeEntry({ ...entry, time: 7 })
    return encode({ ...block, payload, _payload: block.payload })
  },
}

function publicKey(site: Site): string {
  return Buffer.from(site.identity.privateKey.publicKey.raw).toString('hex')
}

function keysOf(site: Site): Forgery {
  return { unsigned: { identity: site.identity.id, key: publicKey(site) } }
}

function signatureIn(block: Uint8Array): string {
  const text = Buffer.from(block).toString('latin1')
  const [signature] = /[0-9a-f]{128}/.exec(text) ?? []
  return signature as string
}

for (const [name, make] of Object.entries(forgeries)) {
  test(`refused: ${name}; and the honest feed goes on`, async () => {
    const { plan, reader, member } = await scene()
    const before = reader.journal.position()
    const taken = await offer(reader, await make(plan, honest(reader, member), member, reader))
    expect(taken).toMatchObject({ applied: 0, refused: 1 })
    expect(['ENTRY_FORGED', 'BLOCK_INVALID']).toContain(taken.codes[0])
    expect(reader.journal.position()).toEqual(before)
    await write(member, 2)
    expect(await offer(reader, ...member.blocks)).toMatchObject({ applied: 2, refused: 0 })
  })
}

const misfits: Record<string, [Forgery, string]> = {
  'another cluster’s id inside': [{ entry: { cluster: 'd'.repeat(64) } }, 'ENTRY_FOREIGN'],
  'the id of another log': [{ id: '/flotilla/elsewhere' }, 'ENTRY_FOREIGN'],
  'a clock that is not the seq': [{ clock: { id: '', time: 9 } }, 'BLOCK_INVALID'],
  'a clock of 2^53': [{ clock: { id: '', time: 2 ** 53 } }, 'BLOCK_INVALID'],
  'a clock of 1e308': [{ clock: { id: '', time: 1e308 } }, 'BLOCK_INVALID'],
  'a link where there is nothing before': [{ next: [`zdpu${'A'.repeat(45)}`] }, 'BLOCK_INVALID'],
  'references besides the link': [{ refs: [`zdpu${'A'.repeat(45)}`] }, 'BLOCK_INVALID'],
  'a depth one too great': [{ entry: { depth: 99 } }, 'DEPTH_INVALID'],
  'a depth one too small': [{ entry: { depth: 1 } }, 'DEPTH_INVALID'],
  'a depth of 2^53': [{ entry: { depth: 2 ** 53 } }, 'ENTRY_INVALID'],
  'a depth of 1e308': [{ entry: { depth: 1e308 } }, 'ENTRY_INVALID'],
  'a depth of NaN': [{ entry: { depth: Number.NaN } }, 'ENTRY_INVALID'],
  'a seq of 0': [{ entry: { seq: 0 } }, 'ENTRY_INVALID'],
  'a seq of 2^53': [{ entry: { seq: 2 ** 53 } }, 'BLOCK_INVALID'],
  'a lane that does not exist': [{ entry: { lane: 'trail/x' } }, 'ENTRY_INVALID'],
  'no ops': [{ entry: { ops: [] } }, 'ENTRY_INVALID'],
  'ops without end': [{ entry: { ops: Array.from({ length: 257 }, () => later[0]) } }, 'ENTRY_INVALID'],
  'fields nobody knows': [{ entry: { admin: true } as never }, 'ENTRY_INVALID'],
  'a payload that is no entry': [{ payload: new Uint8Array(100) }, 'ENTRY_INVALID'],
  'a payload that is no bytes': [{ payload: { ops: [] } }, 'BLOCK_INVALID'],
  'a body of 10 MiB': [{ payload: new Uint8Array(10 * 1024 * 1024) }, 'BLOCK_INVALID'],
  'a payload nested without end': [{ payload: new Uint8Array(120_000).fill(0x81) }, 'ENTRY_INVALID'],
  'a context in a lane it may not refer to': [
    { entry: { seen: { 'catalog/system@x': 1 } } },
    'CONTEXT_INVALID',
  ],
  'a context in no lane': [{ entry: { seen: { nowhere: 1 } } }, 'ENTRY_INVALID'],
}

for (const [name, [forgery, code]] of Object.entries(misfits)) {
  test(`refused: ${name}; and the honest feed goes on`, async () => {
    const { plan, reader, member } = await scene()
    const clock = forgery.clock && { ...forgery.clock, id: publicKey(member) }
    const block = await forge(plan, member.identity, honest(reader, member), {
      ...forgery,
      ...(clock && { clock }),
    })
    expect(await offer(reader, block)).toEqual({ applied: 0, refused: 1, incomplete: false, codes: [code] })
    await write(member, 2)
    expect(await offer(reader, ...member.blocks)).toMatchObject({ applied: 2, refused: 0 })
  })
}

test('bytes that are no block at all are refused', async () => {
  const { reader } = await scene()
  const junk = [new Uint8Array(), new Uint8Array([0xff]), encode({ a: 1 }), encode([]), encode(null)]
  expect(await offer(reader, ...junk)).toEqual({
    applied: 0,
    refused: junk.length,
    incomplete: false,
    codes: ['BLOCK_INVALID'],
  })
})

test('a block in another encoding than its author’s is refused, so that nobody can make one entry look like two', async () => {
  const { plan, reader, member } = await scene()
  const block = Buffer.from(await forge(plan, member.identity, honest(reader, member)))
  const swapped = swapFirstPairs(block)
  expect(swapped).not.toEqual(block)
  expect((await offer(reader, swapped)).codes).toEqual(['BLOCK_INVALID'])
  expect((await offer(reader, block)).applied).toBe(1)
})

/** DAG-CBOR of {v, id, …}: the two shortest keys, the other way round. */
function swapFirstPairs(block: Buffer): Buffer {
  // 0xa9, then 'v': 0x61 0x76 0x02, then 'id': 0x62 0x69 0x64 and a text of one length byte.
  const idStart = 4
  const idEnd = idStart + 3 + 2 + (block[idStart + 4] as number)
  return Buffer.concat([
    block.subarray(0, 1),
    block.subarray(idStart, idEnd),
    block.subarray(1, idStart),
    block.subarray(idEnd),
  ])
}

test('a node that was never admitted is not heard, however well it signs', async () => {
  const { plan, reader } = await scene()
  const outsider = await openSite(plan)
  await outsider.journal.take(await everything(reader), 'x')
  // Its own door would not let it write: somebody else's program does.
  const block = await forge(plan, outsider.identity, honest(reader, outsider))
  expect(await offer(reader, block)).toMatchObject({ applied: 0, codes: ['AUTHOR_UNKNOWN'] })
  await admit(reader, outsider.identity.id)
  expect(await offer(reader, block)).toMatchObject({ applied: 1, refused: 0 })
})

test('an entry that comes before what it depends on waits for it', async () => {
  const { reader, member } = await scene()
  await write(member, 4)
  const [first, ...rest] = member.blocks as [Uint8Array, ...Uint8Array[]]
  expect(await offer(reader, ...rest.toReversed())).toEqual({
    applied: 0,
    refused: 0,
    incomplete: true,
    codes: [],
  })
  expect(reader.journal.status().parked.blocks).toBe(3)
  expect(await offer(reader, first)).toMatchObject({ applied: 4 })
  expect(reader.journal.status().parked).toEqual({ blocks: 0, bytes: 0 })
})

test('an entry whose author had seen more than is here waits for it', async () => {
  const { plan, founder, others } = await fleet(2)
  const [a, b] = others as [Site, Site]
  await write(a, 2, 'a')
  await b.journal.take(a.blocks, 'x')
  await write(b, 1, 'b')
  expect(await offer(founder, ...b.blocks)).toMatchObject({ applied: 0, incomplete: true })
  expect(await offer(founder, ...a.blocks)).toMatchObject({ applied: 3 })
  expect(founder.journal.stateHash()).toBe(b.journal.stateHash())
  expect(plan.clusterId).toBe(founder.journal.cluster)
})

test('a context from the future waits within bounds and blocks nobody but its own author', async () => {
  const { plan, reader, member } = await scene()
  const future = { ...honest(reader, member), seen: { [`${AUTHORITY}@${reader.identity.id}`]: 2 ** 40 } }
  expect(await offer(reader, await forge(plan, member.identity, future))).toMatchObject({
    applied: 0,
    incomplete: true,
  })
  await write(reader, 1)
  expect(reader.journal.status().parked.blocks).toBe(1)
})

test('a context that unsees what its author had seen is refused', async () => {
  const { plan, founder, others } = await fleet(1)
  const [member] = others as [Site]
  await founder.journal.commit(AUTHORITY, () => [user('one')])
  await member.journal.take(founder.blocks, 'x')
  const founderFeed = `${AUTHORITY}@${founder.identity.id}`
  const first = { ...nextEntry(member, later), depth: 4 }
  const block = await forge(plan, member.identity, first)
  expect((await offer(founder, block)).applied).toBe(1)
  const [{ hash }] = [
    founder.journal.position().heads.get(`${AUTHORITY}@${member.identity.id}`) as { hash: string },
  ]
  const second = { ...first, seq: 2, depth: 5, seen: { [founderFeed]: 1 } }
  expect((await offer(founder, await forge(plan, member.identity, second, { next: [hash] }))).codes).toEqual([
    'CONTEXT_INVALID',
  ])
  const ownFuture = { ...second, seen: { [`${AUTHORITY}@${member.identity.id}`]: 2 } }
  expect(
    (await offer(founder, await forge(plan, member.identity, ownFuture, { next: [hash] }))).codes,
  ).toEqual(['CONTEXT_INVALID'])
})

test('names that mean something to JavaScript are names like any other', async () => {
  const { plan, reader, member } = await scene()
  const body = JSON.parse('{"__proto__": {"admin": true}, "constructor": 1}') as unknown
  const ops = [
    { kind: '__proto__', version: 1, actor: 'x', body },
    { kind: 'constructor', version: 1, actor: '__proto__', body },
    { kind: 'user.created', version: 1, actor: 'x', body },
  ]
  const block = await forge(plan, member.identity, { ...honest(reader, member), ops })
  expect(await offer(reader, block)).toMatchObject({ applied: 1, refused: 0 })
  expect(({} as { admin?: boolean }).admin).toBeUndefined()
  const seen = JSON.parse(`{"__proto__": 1}`) as Entry['seen']
  const odd = { ...honest(reader, member), seq: 2, depth: 4, seen }
  expect(
    (await offer(reader, await forge(plan, member.identity, odd, { next: [`zdpu${'A'.repeat(45)}`] })))
      .applied,
  ).toBe(0)
})

test('a flood of entries that can never fit leaves memory bounded and the journal working', async () => {
  const { plan, reader, member } = await scene()
  const far = Array.from({ length: 1_500 }, (_, n) => ({
    ...honest(reader, member),
    seq: n + 5,
    depth: n + 9,
  }))
  const link = [`zdpu${'A'.repeat(45)}`]
  const blocks = await Promise.all(far.map((entry) => forge(plan, member.identity, entry, { next: link })))
  await offer(reader, ...blocks)
  expect(reader.journal.status().parked.blocks).toBeLessThanOrEqual(1024)
  expect(reader.journal.status().parked.bytes).toBeLessThanOrEqual(8 * 1024 * 1024)
  await reader.journal.commit(CATALOG, () => [tag('still')])
  await write(member, 2)
  expect((await offer(reader, ...member.blocks)).applied).toBe(2)
})

test('entries that cannot be written are not applied, and come again later', async () => {
  const { reader, member } = await scene()
  await write(member, 3)
  const before = reader.journal.position()
  reader.store.fault = new Error('disk full')
  await expect(reader.journal.take(member.blocks, 'x')).rejects.toThrow('disk full')
  expect(reader.journal.position()).toEqual(before)
  reader.store.fault = undefined
  expect((await offer(reader, ...member.blocks)).applied).toBe(3)
})

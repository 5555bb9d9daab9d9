import { generateKeyPairSync } from 'node:crypto'
import { encode } from 'cborg'
import fc from 'fast-check'
import { REGISTRY_TOKEN_LEEWAY_SECONDS, REGISTRY_TOKEN_SECONDS } from '../../../src/access/limits.ts'
import { LoginThrottle } from '../../../src/access/login-throttle.ts'
import { TokenIssuer, TokenVerifier } from '../../../src/access/tokens.ts'
import { isFault } from '../../../src/errors.ts'
import type { Journal } from '../../../src/journal/journal.ts'
import { op } from '../../../src/journal/kinds.ts'
import { AUTHORITY } from '../../../src/journal/op.ts'
import { referenceState } from '../reference/reference.ts'
import { deleteAgainstUpdate, oldPassword, sameName } from './accounts.ts'
import { movedTag } from './content.ts'
import { CLUSTER, factsOf, foundedCluster, NODES } from './founding.ts'
import { duel, grantAgainstRevoke, removedAdmin } from './rights.ts'
import { type Anomaly, promised, sitesApart } from './variant.ts'

/** What of a row people read as a time, and what of a key. */
const TIMES: ReadonlySet<string> = new Set(['time', 'createdAt', 'updatedAt', 'admittedAt'])

function timeless(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(timeless)
  if (value === null || typeof value !== 'object' || value instanceof Uint8Array) return value
  return Object.fromEntries(
    Object.entries(value).map(([key, one]) => [key, TIMES.has(key) ? 0 : timeless(one)]),
  )
}

function rowsWithoutTimes(tables: ReadonlyMap<string, ReadonlyMap<string, unknown>>): string {
  const rows = [...tables].map(([table, all]) => [
    table,
    Object.fromEntries([...all].map(([key, row]) => [key, timeless(row)])),
  ])
  return Buffer.from(encode(Object.fromEntries(rows))).toString('base64')
}

export const wrongClock: Anomaly = {
  number: 17,
  name: 'a site’s clock is far in the future',
  acts: [
    ...grantAgainstRevoke.acts,
    ...removedAdmin.acts,
    ...duel.acts,
    ...deleteAgainstUpdate.acts,
    ...sameName.acts,
    ...oldPassword.acts,
    ...movedTag.acts,
  ],
  promise: ({ entries, reference }) => {
    const elsewhen = referenceState(entries.map((entry) => ({ ...entry, time: 7 })))
    promised(
      rowsWithoutTimes(elsewhen.tables) === rowsWithoutTimes(reference.tables),
      'no clock, however wrong, decides a conflict',
    )
  },
}

/** Clocks of one node: what people read, and what only goes forward. */
interface Clocks {
  wall: number
  running: number
}

const { privateKey, publicKey } = generateKeyPairSync('ed25519')
const tokenKey = { privateKey, publicKey: publicKey.export({ format: 'jwk' }).x as string }
const EPOCH = 1_800_000_000_000

/** Seconds the verifier's wall clock is ahead of the issuer's (or behind), and what its own clock did meanwhile. */
export const clockJumps = fc.record({
  skew: fc.oneof(
    fc.integer({ min: -7200, max: 7200 }),
    fc.constantFrom(-61, -60, -59, 0, 1800, 1859, 1860, 1861, 2 ** 31),
  ),
  jump: fc.integer({ min: -(10 ** 10), max: 10 ** 10 }),
  elapsed: fc.nat(100_000),
})

/** A token lives by what was signed, within the leeway between two clocks; a block on guessing by no wall clock at all. */
export async function liveWithJumps({
  skew,
  jump,
  elapsed,
}: {
  skew: number
  jump: number
  elapsed: number
}): Promise<void> {
  const { verifier, token, clocks } = await issued()
  clocks.wall = EPOCH + skew * 1000
  const valid =
    skew >= -REGISTRY_TOKEN_LEEWAY_SECONDS && skew < REGISTRY_TOKEN_SECONDS + REGISTRY_TOKEN_LEEWAY_SECONDS
  const taken = await verifier.verify(token).then(
    () => true,
    (error: unknown) => {
      if (isFault(error, 'TOKEN_INVALID')) return false
      throw error
    },
  )
  promised(taken === valid, 'skew up to a minute is tolerated, and beyond it a token is refused')

  const throttle = new LoginThrottle({
    clock: { now: () => clocks.wall, monotonic: () => clocks.running },
    sourcesMax: 4,
  })
  const isBlocked = () => {
    try {
      throttle.attempt('dave', '192.0.2.1')
      return false
    } catch (error) {
      if (isFault(error, 'TOO_MANY_REQUESTS')) return true
      throw error
    }
  }
  clocks.running = elapsed
  let tries = 0
  while (!isBlocked() && tries < 100) tries++
  clocks.wall += jump
  promised(isBlocked(), 'no jump of the wall clock ends a wait')
}

let issuing: Promise<{ verifier: TokenVerifier; token: string; clocks: Clocks }> | undefined

/** One token for all variants: what differs is when it is looked at. */
function issued(): Promise<{ verifier: TokenVerifier; token: string; clocks: Clocks }> {
  issuing ??= issue()
  return issuing
}

async function issue(): Promise<{ verifier: TokenVerifier; token: string; clocks: Clocks }> {
  const founded = await foundedCluster()
  const [site] = await sitesApart(founded)
  const facts = { ...factsOf('a'), tokenKey: tokenKey.publicKey }
  await site.sequencer.commit(AUTHORITY, () => [op('node.announced', { facts }, 'node')])
  const rows = {
    nodes: site.tables.get('nodes', NODES[0]),
    users: site.tables.get('users', founded.people.dave),
  }
  const clocks: Clocks = { wall: EPOCH, running: 0 }
  const journal = {
    node: NODES[0],
    cluster: CLUSTER,
    tables: { get: (table: 'nodes' | 'users') => rows[table] },
    frontier: () => site.sequencer.frontier(),
  } as unknown as Journal
  const clock = { now: () => clocks.wall, monotonic: () => clocks.running }
  const random = { bytes: (length: number) => new Uint8Array(length), integer: () => 0 }
  const issuer = new TokenIssuer({ journal, key: tokenKey, clock, random })
  const { token } = await issuer.issue({ kind: 'user', id: founded.people.dave }, [])
  return { verifier: new TokenVerifier({ journal, clock }), token, clocks }
}

import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { z } from 'zod'
import { Fault } from '../../src/errors.ts'
import { writeDurable } from '../../src/runtime/durable-file.ts'

/** The place of the record that brought a key; the greatest is the one to dial with. */
export interface KeyRank {
  /** WITHDRAWN: the record counts no more. */
  readonly depth: number
  readonly id: string
}

/** Below every record and the key the cluster began with: dialled with only where there is no other. */
const WITHDRAWN = -1

export interface NetworkKey {
  readonly name: string
  /** Gone once its window has ended; the name stays, that nobody takes the key up again. */
  readonly key: Uint8Array | null
  /** Null for the key the cluster began with, or that this node joined with. */
  readonly rank: KeyRank | null
  /** Milliseconds since 1970, by this node's clock: until when it is accepted. Null: it is the one in use. */
  readonly until: number | null
}

/** A key as joiners are told of it. */
export type LiveKey = NetworkKey & { readonly key: Uint8Array }

/** The file: `network.key`. A key in base64url. */
const fileSchema = z.strictObject({
  version: z.literal(1),
  keys: z.array(
    z.strictObject({
      name: z.string().regex(/^[0-9a-f]{16}$/),
      key: z.base64url().nullable(),
      rank: z.strictObject({ depth: z.number(), id: z.string() }).nullable(),
      until: z.number().nullable(),
    }),
  ),
})

/** The first 16 hexadecimal digits of its SHA-256. */
export function networkKeyName(key: Uint8Array): string {
  return createHash('sha256').update(key).digest('hex').slice(0, 16)
}

export function firstKey(key: Uint8Array): NetworkKey {
  return { name: networkKeyName(key), key, rank: null, until: null }
}

/** @throws Fault DATA_DIR_UNREADABLE */
export async function readNetworkKeys(path: string): Promise<NetworkKey[]> {
  try {
    const { keys } = fileSchema.parse(JSON.parse(await readFile(path, 'utf8')))
    return keys.map(({ name, key, rank, until }) => ({
      name,
      key: key === null ? null : Uint8Array.from(Buffer.from(key, 'base64url')),
      rank,
      until,
    }))
  } catch (error) {
    throw new Fault('DATA_DIR_UNREADABLE', `${path} cannot be read`, {}, error)
  }
}

export async function writeNetworkKeys(path: string, all: readonly NetworkKey[]): Promise<void> {
  const keys = all.map(({ name, key, rank, until }) => ({
    name,
    key: key === null ? null : Buffer.from(key).toString('base64url'),
    rank,
    until,
  }))
  const content: z.infer<typeof fileSchema> = { version: 1, keys }
  await writeDurable(path, `${JSON.stringify(content, undefined, 2)}\n`, 0o600)
}

/** The keys of now, the one to dial with first. */
export function liveKeys(all: readonly NetworkKey[], now: number): LiveKey[] {
  return all
    .filter((one): one is LiveKey => one.key !== null && (one.until === null || one.until > now))
    .sort((a, b) => compareRanks(b.rank, a.rank))
}

/**
 * The keys once a record has brought another: the greatest is the one in use, every other gets a deadline.
 * A concurrent one that is not the greatest is accepted for a window too: who made it dials with it for now.
 */
export function withKey(all: readonly NetworkKey[], fresh: NetworkKey, deadline: number): NetworkKey[] {
  const known = all.find(({ name }) => name === fresh.name)
  if (!known) return inUse([...all, fresh], deadline)
  const isAgain = isWithdrawn(known)
  const placed: NetworkKey = {
    ...known,
    rank: isAgain ? fresh.rank : (known.rank ?? fresh.rank),
    key: isAgain ? (known.key ?? fresh.key) : known.key,
  }
  return inUse(
    all.map((one) => (one === known ? placed : one)),
    deadline,
  )
}

/** The keys once the record of that one counts no more: it is let in for a window, as long as others may dial with it. */
export function withdraw(all: readonly NetworkKey[], name: string, deadline: number): NetworkKey[] {
  const lower = (one: NetworkKey) => one.rank && { depth: WITHDRAWN, id: one.rank.id }
  return inUse(
    all.map((one) => (one.name === name ? { ...one, rank: lower(one) } : one)),
    deadline,
  )
}

/** Whether the key is where the record put it. */
export function isPlaced(key: NetworkKey, record: KeyRank): boolean {
  return key.rank?.id === record.id && !isWithdrawn(key)
}

export function isWithdrawn({ rank }: NetworkKey): boolean {
  return rank?.depth === WITHDRAWN
}

function inUse(all: readonly NetworkKey[], deadline: number): NetworkKey[] {
  const [current] = [...all].filter(({ key }) => key !== null).sort((a, b) => compareRanks(b.rank, a.rank))
  return all.map((one) => {
    if (one === current) return { ...one, until: null }
    return { ...one, until: one.until ?? deadline }
  })
}

/** What is left once the windows that have ended are closed. */
export function withoutExpired(all: readonly NetworkKey[], now: number): NetworkKey[] {
  return all.map((one) => (one.until !== null && one.until <= now ? { ...one, key: null } : one))
}

function compareRanks(a: KeyRank | null, b: KeyRank | null): number {
  const depths = depthOf(a) - depthOf(b)
  if (depths !== 0 || a === null || b === null) return depths
  return a.id < b.id ? -1 : a.id > b.id ? 1 : 0
}

/** No record is as shallow as the key the cluster began with. */
function depthOf(rank: KeyRank | null): number {
  return rank === null ? 0 : rank.depth
}

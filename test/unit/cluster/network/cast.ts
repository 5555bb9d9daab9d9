import { randomBytes } from 'node:crypto'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished } from 'vitest'
import { Host } from '../../../../cluster/network/host.ts'
import { createIdentity, type Identity } from '../../../../cluster/network/identity.ts'
import { Keyring } from '../../../../cluster/network/keyring.ts'
import { systemClock } from '../../../../src/runtime/clock.ts'
import { type Logger, silentLogger } from '../../../../src/runtime/logger.ts'
import { systemRandom } from '../../../../src/runtime/random.ts'
import { systemTimers } from '../../../../src/runtime/timers.ts'
import { ListRoster } from '../../../support/list-roster.ts'

export { ListRoster }

export const runtime = {
  clock: systemClock,
  random: systemRandom,
  timers: systemTimers,
  log: silentLogger,
}

export async function temporary(): Promise<string> {
  const directory = await mkdtemp(join(tmpdir(), 'flotilla-'))
  onTestFinished(() => rm(directory, { recursive: true, force: true }))
  return directory
}

export async function newIdentity(): Promise<Identity> {
  return createIdentity(join(await temporary(), 'identity.pem'))
}

export const CLUSTER = 'c'.repeat(64)
export const networkKey = () => new Uint8Array(randomBytes(32))

export interface Cast {
  readonly host: Host
  readonly roster: ListRoster
  readonly keyring: Keyring
  readonly identity: Identity
}

/** A host on a free port of 127.0.0.1, started; its roster holds itself alone. */
export async function cast(
  key: Uint8Array,
  given: { identity?: Identity; log?: Logger } = {},
): Promise<Cast> {
  const identity = given.identity ?? (await newIdentity())
  const roster = new ListRoster()
  const keyring = new Keyring(key)
  const host = new Host(
    { clusterId: CLUSTER, listen: ['/ip4/127.0.0.1/tcp/0'] },
    { identity, keyring, roster, ...runtime, ...(given.log && { log: given.log }) },
  )
  await host.start()
  onTestFinished(() => host.stop())
  roster.put(host.self, { addresses: host.addresses() })
  return { host, roster, keyring, identity }
}

/** Tells every one of them of all of them. */
export function introduce(...all: readonly Cast[]): void {
  for (const { roster } of all)
    for (const { host } of all) roster.put(host.self, { addresses: host.addresses() })
}

/** Members of one cluster, all connected. */
export async function cluster(size: number, log?: Logger): Promise<Cast[]> {
  const key = networkKey()
  const all = await Promise.all(Array.from({ length: size }, () => cast(key, { ...(log && { log }) })))
  introduce(...all)
  await Promise.all(all.map(({ host }) => allUp(host, size - 1)))
  return all
}

export function allUp(host: Host, peers: number): Promise<void> {
  return new Promise((resolve) => {
    const settle = () => {
      if (host.connected().length < peers) return
      unfollow()
      resolve()
    }
    const unfollow = host.onPeer(settle)
    settle()
  })
}

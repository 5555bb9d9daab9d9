import { constants } from 'node:fs'
import { access, readdir, stat, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { JOURNAL_RESERVE_BYTES } from '../../limits.ts'
import type { Clock } from '../../runtime/clock.ts'
import { formatBytes } from '../amounts.ts'
import { CONTROL_SOCKET } from '../connection.ts'
import type { Check } from '../runtime.ts'

/** sun_path has 108 bytes on Linux and 104 on macOS, its end included. */
const SOCKET_PATH_BYTES_MAX = 103
/** Group and others. */
const OTHERS_BITS = 0o077
/** Writing and looking differ by this much on a good day. */
const CLOCK_SLACK_MS = 60_000
/** No Flotilla existed before: a clock that says so has not been set. */
const FIRST_RELEASE_MS = Date.UTC(2026, 0, 1)

/** There, ours, and closed to others: it holds the node's private key. */
export async function checkDataDir(dataDir: string): Promise<Check> {
  const name = 'data directory'
  try {
    const { mode, uid } = await stat(dataDir)
    await access(dataDir, constants.R_OK | constants.W_OK | constants.X_OK)
    const octal = (mode & 0o777).toString(8)
    if ((mode & OTHERS_BITS) !== 0) {
      const advice = `chmod 700 ${dataDir}`
      return { name, status: 'warn', detail: `${dataDir} is open to other users (mode ${octal})`, advice }
    }
    return { name, status: 'ok', detail: `${dataDir} (mode ${octal}, user ${uid})` }
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ENOENT') {
      const advice = 'run this as the user that owns it, or name another one with --data-dir'
      return { name, status: 'fail', detail: `${dataDir} cannot be read and written (${code})`, advice }
    }
    const parent = await existingParent(dataDir)
    const writable = await access(parent, constants.W_OK).then(
      () => true,
      () => false,
    )
    if (writable) return { name, status: 'ok', detail: `${dataDir} is not there yet and can be made` }
    const advice = `make it as the superuser and give it to this user, or name another one with --data-dir`
    return { name, status: 'fail', detail: `${dataDir} cannot be made in ${parent}`, advice }
  }
}

export async function checkDisk(dataDir: string, warnBelowBytes: number): Promise<Check> {
  const { bavail, bsize, blocks } = await statfs(await existingParent(dataDir))
  const free = bavail * bsize
  const detail = `${formatBytes(free)} free of ${formatBytes(blocks * bsize)}`
  if (free >= warnBelowBytes && free >= JOURNAL_RESERVE_BYTES) return { name: 'disk', status: 'ok', detail }
  if (free < JOURNAL_RESERVE_BYTES) {
    const full = `${detail}: full, for ${formatBytes(JOURNAL_RESERVE_BYTES)} are kept free for the journal`
    const room = 'make room: nothing can be recorded until then; pulls go on'
    return { name: 'disk', status: 'fail', detail: full, advice: room }
  }
  const advice = 'make room, or delete artifacts nobody needs; a full disk refuses pushes'
  return {
    name: 'disk',
    status: 'warn',
    detail: `${detail}, less than ${formatBytes(warnBelowBytes)}`,
    advice,
  }
}

export function checkSocketPath(dataDir: string): Check {
  const path = join(dataDir, CONTROL_SOCKET)
  const bytes = Buffer.byteLength(path)
  if (bytes <= SOCKET_PATH_BYTES_MAX) return { name: 'control socket', status: 'ok', detail: path }
  const detail = `${path} has ${bytes} bytes; systems take ${SOCKET_PATH_BYTES_MAX}`
  return {
    name: 'control socket',
    status: 'fail',
    detail,
    advice: 'choose a data directory with a shorter path',
  }
}

/** The clock decides nothing between sites; certificates, tokens and invites still expire by it. */
export async function checkClock(dataDir: string, clock: Clock): Promise<Check> {
  const now = clock.now()
  const newest = await newestChange(dataDir)
  const time = new Date(now).toISOString()
  const advice = 'set the clock, by NTP where there is a network: tokens and invites expire by it'
  if (now < FIRST_RELEASE_MS) return { name: 'clock', status: 'fail', detail: `it says ${time}`, advice }
  if (newest > now + CLOCK_SLACK_MS) {
    const detail = `it says ${time}, and the data directory was written at ${new Date(newest).toISOString()}`
    return { name: 'clock', status: 'fail', detail, advice }
  }
  return { name: 'clock', status: 'ok', detail: time }
}

async function newestChange(dataDir: string): Promise<number> {
  const entries = await readdir(dataDir).catch(() => [])
  const times = await Promise.all(
    entries.map((entry) =>
      stat(join(dataDir, entry)).then(
        ({ mtimeMs }) => mtimeMs,
        () => 0,
      ),
    ),
  )
  return Math.max(0, ...times)
}

async function existingParent(path: string): Promise<string> {
  for (let at = path; ; at = dirname(at)) {
    if (at === dirname(at)) return at
    const there = await stat(at).then(
      () => true,
      () => false,
    )
    if (there) return at
  }
}

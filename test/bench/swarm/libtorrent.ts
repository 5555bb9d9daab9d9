import { execFileSync } from 'node:child_process'
import { mkdtempSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { LineProcess } from '../../support/line-process.ts'
import type { Place } from '../../support/network.ts'
import { machineMs } from '../part.ts'
import { content } from './content.ts'

/** Debian puts it there; a Python of one's own often lacks the module. */
const PYTHON = '/usr/bin/python3'
const PORT = 6881
const NAME = 'cargo'

/** Whether python3-libtorrent is installed; said aloud where it is not. */
export function hasLibtorrent(): boolean {
  try {
    execFileSync(PYTHON, ['-c', 'import libtorrent'], { stdio: 'ignore' })
    return true
  } catch {
    process.stderr.write('SKIPPED beside it: libtorrent, for want of python3-libtorrent\n')
    return false
  }
}

export interface LibtorrentRun {
  readonly elapsedMs: number
  readonly sent: number
}

/** A fresh file from the first places to all others, each of which knows all of them. */
export async function runLibtorrent(
  directory: string,
  places: readonly Place[],
  seeders: number,
  size: number,
  afterMs: readonly number[] = [],
): Promise<LibtorrentRun> {
  const torrent = join(directory, 'cargo.torrent')
  const peers: LineProcess[] = []
  try {
    for (const { index, namespace, address } of places) {
      const own = mkdtempSync(join(directory, 'libtorrent-'))
      const words = [`--net=/run/netns/${namespace}`, PYTHON, join(import.meta.dirname, 'libtorrent-peer.py')]
      const peer = [address, String(PORT), own, torrent]
      if (index < seeders) {
        await write(join(own, NAME), size)
        peer.push(NAME)
      }
      peers.push(new LineProcess('nsenter', [...words, ...peer]))
      await peers.at(-1)?.hear()
    }
    const startedAt = machineMs()
    const ended = await Promise.all(
      peers.slice(seeders).map(async (peer, index) => {
        await sleep(afterMs[index] ?? 0)
        const others = places.filter((place) => place.index !== index + seeders)
        const answer = await peer.ask<{ ended: number }>({
          meet: others.map(({ address }) => `${address}:${PORT}`),
        })
        return answer.ended
      }),
    )
    const sent = await Promise.all(
      peers.slice(0, seeders).map((peer) => peer.ask<{ sent: number }>({ count: true })),
    )
    return { elapsedMs: Math.max(...ended) - startedAt, sent: sent.reduce((sum, one) => sum + one.sent, 0) }
  } finally {
    await Promise.all(peers.map((peer) => peer.stop()))
  }
}

async function write(path: string, size: number): Promise<void> {
  const file = await open(path, 'w')
  for (const chunk of content('libtorrent', size)) await file.write(chunk)
  await file.close()
}

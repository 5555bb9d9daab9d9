import { execFile } from 'node:child_process'
import { access, mkdir, mkdtemp, rename, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { promisify } from 'node:util'
import { client } from './clients.ts'

const run = promisify(execFile)

/** Kept between runs: making a root file system takes half a minute and changes nothing. */
const IMAGES = join(import.meta.dirname, '../../.flotilla/test-images')

/** What is in it: one layer of some 65 MB, or of some 300 MB. */
const PACKAGES = {
  debian: ['ca-certificates', 'openssl'],
  'debian-large': ['ca-certificates', 'build-essential', 'default-jdk-headless', 'git'],
}

/**
 * A real Debian root file system as an OCI image layout with tag `bookworm`, in one layer.
 * @returns the layout's directory; undefined where mmdebstrap or umoci is missing (said aloud)
 */
export async function debianImage(name: keyof typeof PACKAGES = 'debian'): Promise<string | undefined> {
  const cache = join(IMAGES, name)
  const mmdebstrap = client('mmdebstrap')
  const umoci = client('umoci')
  if (!mmdebstrap || !umoci) return undefined
  if (await present(join(cache, 'index.json'))) return cache
  const work = await mkdtemp(join(tmpdir(), 'flotilla-debian-'))
  try {
    const layout = join(work, 'layout')
    const rootfs = join(work, 'rootfs.tar')
    await run(mmdebstrap, [
      '--quiet',
      '--variant=minbase',
      `--include=${PACKAGES[name].join(',')}`,
      'bookworm',
      rootfs,
    ])
    await run(umoci, ['init', '--layout', layout])
    await run(umoci, ['new', '--image', `${layout}:bookworm`])
    await run(umoci, ['raw', 'add-layer', '--image', `${layout}:bookworm`, rootfs])
    await run(umoci, ['config', '--image', `${layout}:bookworm`, '--config.cmd', '/bin/bash'])
    await mkdir(dirname(cache), { recursive: true })
    await rm(cache, { recursive: true, force: true })
    await rename(layout, cache).catch(() => run('cp', ['-r', layout, cache]))
    return cache
  } finally {
    await rm(work, { recursive: true, force: true })
  }
}

async function present(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}

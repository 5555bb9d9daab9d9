import { existsSync } from 'node:fs'
import { client, clients } from '../../support/clients.ts'

/** Where Debian and others put it, by processor. */
const FAKETIME = ['x86_64-linux-gnu', 'aarch64-linux-gnu', '']
  .flatMap((folder) => [`/usr/lib/${folder}/faketime`, `/usr/lib64/faketime`])
  .map((folder) => `${folder}/libfaketimeMT.so.1`)

/**
 * The library that fakes time, when everything else chaos needs is here too. What is missing is said aloud;
 * on CI that is a failure.
 */
export function requirements(): { readonly faketime: string } | undefined {
  const programs = clients('ip', 'tc', 'iptables', 'nsenter', 'mkfs.ext4', 'fallocate', 'faketime')
  const faketime = FAKETIME.find((path) => existsSync(path))
  if (!programs) return undefined
  if (!faketime) {
    client('libfaketimeMT.so.1')
    return undefined
  }
  if (process.getuid?.() === 0) return { faketime }
  if (process.env['CI'] === 'true') throw new Error('chaos needs root: it makes network namespaces')
  process.stderr.write('SKIPPED: chaos needs root, for network namespaces and a small disk\n')
  return undefined
}

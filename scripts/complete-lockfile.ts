/**
 * npm leaves out of package-lock.json whatever optional package the registry at hand could not show it, and
 * `npm ci` then refuses the lock on every machine. Names and versions stand in the parents' entries, so the
 * missing ones (builds for other platforms) can be written from there. Run after every `npm install`:
 *
 *   node scripts/complete-lockfile.ts
 */
import { readFileSync, writeFileSync } from 'node:fs'

interface LockedPackage {
  version?: string
  dev?: boolean
  optional?: boolean
  os?: string[]
  cpu?: string[]
  libc?: string[]
  optionalDependencies?: Record<string, string>
}

interface Lockfile {
  packages: Record<string, LockedPackage>
}

const SYSTEMS = new Set(['aix', 'android', 'darwin', 'freebsd', 'linux', 'netbsd', 'openbsd', 'openharmony'])
const PROCESSORS = new Set(['arm', 'arm64', 'ia32', 'loong64', 'ppc64', 'riscv64', 's390x', 'wasm32', 'x64'])

/** Optional packages an entry names and the lock does not hold, with what their name says of the platform. */
export function missingOptionalPackages(lock: Lockfile): Record<string, LockedPackage> {
  const missing: Record<string, LockedPackage> = {}
  for (const [path, parent] of Object.entries(lock.packages)) {
    for (const [name, version] of Object.entries(parent.optionalDependencies ?? {})) {
      if (resolves(lock, path, name)) continue
      missing[`node_modules/${name}`] = {
        version,
        ...platformOf(name),
        ...(parent.dev && { dev: true }),
        optional: true,
      }
    }
  }
  return missing
}

/** Whether a package at `path` would find `name`, as Node looks: in its own node_modules, then outwards. */
function resolves(lock: Lockfile, path: string, name: string): boolean {
  for (let from = path; ; from = from.slice(0, Math.max(0, from.lastIndexOf('node_modules/') - 1))) {
    const candidate = lock.packages[`${from === '' ? '' : `${from}/`}node_modules/${name}`]
    if (candidate?.version !== undefined) return true
    if (from === '') return false
  }
}

function platformOf(name: string): LockedPackage {
  const words = name.split(/[-/]/)
  const os = words.filter((word) => SYSTEMS.has(word) || word === 'win32')
  const cpu = words.filter((word) => PROCESSORS.has(word))
  const libc = words.some((word) => word.startsWith('musl'))
    ? ['musl']
    : words.some((word) => word.startsWith('gnu'))
      ? ['glibc']
      : []
  return { ...(os.length && { os }), ...(cpu.length && { cpu }), ...(libc.length && { libc }) }
}

if (import.meta.main) {
  const file = new URL('../package-lock.json', import.meta.url)
  const lock = JSON.parse(readFileSync(file, 'utf8')) as Lockfile
  const missing = missingOptionalPackages(lock)
  const packages = Object.entries({ ...lock.packages, ...missing })
  packages.sort(([a], [b]) => (a < b ? -1 : 1))
  writeFileSync(file, `${JSON.stringify({ ...lock, packages: Object.fromEntries(packages) }, null, 2)}\n`)
  process.stderr.write(`package-lock.json: ${Object.keys(missing).length} optional packages completed\n`)
}

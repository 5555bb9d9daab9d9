import { cpSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { afterAll, describe, expect, test } from 'vitest'
import { type Import, importsOf, sourceFiles } from './support/imports.ts'

/** Rooms everybody may use; they know only each other. */
const LEAVES = ['src/errors.ts', 'src/limits.ts', 'src/runtime', 'src/oci']

/**
 * Who may import whom: a room (folder or file) and what it may import beside itself and LEAVES.
 * `types:` allows what is gone at run time: the room knows the interface, not the code behind it.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  'src/errors.ts': [],
  'src/limits.ts': [],
  'src/runtime': [],
  'src/oci': [],
  'src/journal': [],
  'src/config': [],
  'src/registry': ['src/journal'],
  'src/access': ['src/journal', 'types:src/registry'],
  'src/projects': ['src/journal', 'types:src/registry', 'types:src/access'],
  'src/conflicts': ['src/journal', 'types:src/registry', 'types:src/access', 'types:src/projects'],
  'src/store': ['types:src/registry', 'types:src/journal'],
  'src/http': ['src/registry', 'src/access', 'src/projects', 'src/conflicts', 'src/journal'],
  'src/cli': ['src/config', 'src/registry', 'src/access', 'src/projects'],
  'src/main.ts': ['src', 'cluster'],
  cluster: ['src/journal', 'types:src/registry'],
}

/** Packages that belong to one room: nobody else knows that we use them. */
const PACKAGE_OF: Readonly<Record<string, readonly string[]>> = {
  fastify: ['src/http'],
  commander: ['src/cli'],
  '@clack/prompts': ['src/cli'],
  'cli-table3': ['src/cli'],
  yaml: ['src/config'],
  'classic-level': ['src/store'],
  '@node-rs/argon2': ['src/access'],
  webtorrent: ['cluster/swarm'],
  '@orbitdb/core': ['cluster/ledger'],
  libp2p: ['cluster/network', 'cluster/membership'],
}

const root = dirname(import.meta.dirname)

function violations(root: string): string[] {
  const files = [...sourceFiles(root, 'src'), ...sourceFiles(root, 'cluster')]
  return files.flatMap((file) => importsOf(root, file)).flatMap(judge)
}

function judge(found: Import): string[] {
  const at = `${found.file}:${found.line} imports ${found.specifier}`
  const room = roomOf(found.file)
  if (room === undefined) return [`${at}: its room is not in the table`]
  if (found.target === undefined) {
    const owners = Object.entries(PACKAGE_OF).find(([name]) => isWithin(found.specifier, name))?.[1]
    const allowed =
      owners === undefined || found.typeOnly || owners.some((owner) => isWithin(found.file, owner))
    return allowed || room === 'src/main.ts' ? [] : [`${at}: the package belongs to ${owners.join(', ')}`]
  }
  if (found.target === 'package.json') return []
  const allowed = [room, ...LEAVES, ...(MAY_IMPORT[room] ?? [])].some((entry) =>
    entry.startsWith('types:')
      ? found.typeOnly && isWithin(found.target ?? '', entry.slice('types:'.length))
      : isWithin(found.target ?? '', entry),
  )
  return allowed ? [] : [`${at}: ${room} may not`]
}

function roomOf(file: string): string | undefined {
  return Object.keys(MAY_IMPORT).find((room) => isWithin(file, room))
}

function isWithin(path: string, room: string): boolean {
  return path === room || path.startsWith(`${room}/`)
}

test('no room imports what it may not know', () => {
  expect(violations(root)).toEqual([])
})

test('every folder of src and cluster has its line in the table', () => {
  const files = [...sourceFiles(root, 'src'), ...sourceFiles(root, 'cluster')]
  expect(files.filter((file) => roomOf(file) === undefined)).toEqual([])
})

test('the rule is not empty: it sees the imports of the tree', () => {
  const imports = sourceFiles(root, 'src').flatMap((file) => importsOf(root, file))
  expect(imports.filter(({ target }) => target !== undefined).length).toBeGreaterThan(100)
})

describe('a violation planted in a copy of the tree is caught', () => {
  const copy = mkdtempSync(join(tmpdir(), 'flotilla-architecture-'))
  afterAll(() => rmSync(copy, { recursive: true, force: true }))
  for (const folder of ['src', 'cluster']) cpSync(join(root, folder), join(copy, folder), { recursive: true })
  const before = violations(copy)

  const planted: [string, string, string][] = [
    ['src/registry/planted.ts', "import '../../cluster/limits.ts'", 'src/registry may not'],
    ['src/http/planted.ts', "export * from '../store/disk/layout.ts'", 'src/http may not'],
    ['src/cli/planted.ts', "const late = await import('../store/disk/layout.ts')", 'src/cli may not'],
    ['src/oci/planted.ts', "import type { Op } from '../journal/op.ts'", 'src/oci may not'],
    [
      'src/store/planted.ts',
      "import { noBlobSource } from '../registry/blob-source.ts'",
      'src/store may not',
    ],
    ['cluster/swarm/planted.ts', "type C = import('../../src/config/config.ts').Config", 'cluster may not'],
    ['cluster/swarm/planted.ts', "import { Command } from 'commander'", 'belongs to src/cli'],
    ['src/cli/planted.ts', "new Worker(new URL('../store/a.ts', import.meta.url))", 'src/cli may not'],
    ['src/cellar/planted.ts', "import '../errors.ts'", 'not in the table'],
  ]
  test.each(planted)('%s: %s', (file, statement, complaint) => {
    mkdirSync(dirname(join(copy, file)), { recursive: true })
    writeFileSync(join(copy, file), `\n${statement}\n`)
    const after = violations(copy).filter((violation) => !before.includes(violation))
    rmSync(join(copy, file))
    expect(after).toHaveLength(1)
    expect(after[0]).toContain(`${file}:2 imports`)
    expect(after[0]).toContain(complaint)
  })

  test('an interface may be known where the code behind it may not', () => {
    const file = join(copy, 'src/store/planted.ts')
    writeFileSync(file, "import { type BlobSource } from '../registry/blob-source.ts'\n")
    expect(violations(copy)).toEqual(before)
    rmSync(file)
  })
})

test('nothing in src/ but the composition root names cluster/', () => {
  const naming = sourceFiles(root, 'src').filter((file) =>
    importsOf(root, file).some(({ target }) => target !== undefined && isWithin(target, 'cluster')),
  )
  expect(naming.filter((file) => file !== 'src/main.ts')).toEqual([])
})

import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, rmSync, symlinkSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, expect, test } from 'vitest'
import { client } from '../support/clients.ts'
import { temporaryFolder } from '../support/temporary.ts'

const run = promisify(execFile)
const root = join(import.meta.dirname, '../..')
const work = temporaryFolder('up')
const dir = join(work, 'nodes')

interface Up {
  readonly nodes: { name: string; site: string; url: string; dataDir: string; pid: number }[]
  readonly admin: { username: string; password: string | null }
}

async function up(...words: string[]): Promise<{ stdout: string; stderr: string }> {
  return run(join(root, 'scripts/up'), [...words, '--dir', dir], { cwd: work })
}

async function upJson(...words: string[]): Promise<Up> {
  const { stdout } = await up('--json', ...words)
  expect(stdout.trimEnd()).not.toContain('\n')
  return JSON.parse(stdout) as Up
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

afterAll(async () => {
  await up('down', '--fresh')
  rmSync(work, { recursive: true, force: true })
})

test('scripts/up makes a cluster, mends it, tells how to use it, and takes it away', {
  timeout: 300_000,
}, async () => {
  const made = await upJson('--nodes', '2')
  expect(made.nodes.map(({ name, site }) => [name, site])).toEqual([
    ['node1', 'site1'],
    ['node2', 'site2'],
  ])
  expect(made.admin).toEqual({ username: 'admin', password: expect.stringMatching(/^\S{12,}$/) })
  for (const { url, dataDir, pid } of made.nodes) {
    expect((await fetch(`${url}/v2/`)).status).toBe(401)
    expect(existsSync(join(dataDir, 'control.sock'))).toBe(true)
    expect(isAlive(pid)).toBe(true)
  }

  const again = await upJson('--nodes', '2')
  expect(again).toEqual({ nodes: made.nodes, admin: { username: 'admin', password: null } })

  const [first, second] = made.nodes as [Up['nodes'][number], Up['nodes'][number]]
  process.kill(second.pid, 'SIGKILL')
  const mended = await upJson('--nodes', '3')
  expect(mended.nodes.map(({ name }) => name)).toEqual(['node1', 'node2', 'node3'])
  expect(mended.nodes[0]).toEqual(first)
  expect(mended.nodes[1]?.pid).not.toBe(second.pid)

  await pasteTheThreeLines(made.admin.password ?? '')

  const pids = mended.nodes.map(({ pid }) => pid)
  await up('down')
  // Whoever collects orphans on this machine may take a moment.
  await expect.poll(() => pids.filter(isAlive), { timeout: 10_000 }).toEqual([])
  expect(existsSync(first.dataDir)).toBe(true)
  await up('down', '--fresh')
  expect(readdirSync(dir)).toEqual([])
})

test('scripts/up finds a node somebody else serves, and passes over one that is out', {
  timeout: 300_000,
}, async () => {
  const made = await upJson('--nodes', '2')
  const second = made.nodes[1] as Up['nodes'][number]
  process.kill(second.pid, 'SIGTERM')
  await expect.poll(() => existsSync(join(second.dataDir, 'control.sock')), { timeout: 30_000 }).toBe(false)
  const flotilla = join(root, 'bin/flotilla.js')
  const byHand = spawn(process.execPath, [flotilla, '--config', 'nodes/node2.yaml', 'serve'], {
    cwd: work,
    stdio: 'ignore',
  })
  const answers = () =>
    fetch(`${second.url}/v2/`).then(
      ({ status }) => status,
      () => 0,
    )
  await expect.poll(answers, { timeout: 60_000 }).toBe(401)
  const found = await up('--json', '--nodes', '2')
  expect(found.stderr).toContain(`node2 is served by process ${byHand.pid} this script did not start`)
  expect((JSON.parse(found.stdout) as Up).nodes[1]?.pid).toBe(byHand.pid)
  await up('down')
  await expect.poll(() => byHand.exitCode, { timeout: 10_000 }).toBe(0)

  const first = (await upJson('--nodes', '2')).nodes[0] as Up['nodes'][number]
  await run(process.execPath, [flotilla, '--data-dir', first.dataDir, 'evict', 'node2', '--yes'])
  await up('down')
  const without = await up('--json', '--nodes', '1')
  expect((JSON.parse(without.stdout) as Up).nodes.map(({ name }) => name)).toEqual(['node1'])
  expect(without.stderr).toContain('node2 is out of the cluster (evicted)')
  expect((await upJson('--nodes', '2')).nodes.map(({ name }) => name)).toEqual(['node1', 'node3'])
})

/** With skopeo as the only client on the PATH; the example comes out at another node than it went in. */
async function pasteTheThreeLines(password: string): Promise<void> {
  const skopeo = client('skopeo')
  if (skopeo === undefined) return
  const bin = join(work, 'bin')
  mkdirSync(bin)
  symlinkSync(skopeo, join(bin, 'skopeo'))
  const env = { ...process.env, REGISTRY_AUTH_FILE: join(work, 'auth.json') }
  const main = join(root, 'scripts/local-cluster/main.ts')
  const { stdout } = await run(process.execPath, [main, '--dir', dir], {
    cwd: work,
    env: { ...env, PATH: bin },
  })
  const [login, push, pull, ...more] = stdout.split('\n').filter((line) => line.startsWith('  skopeo '))
  expect(more).toEqual([])
  for (const line of [`echo ${password} | ${login?.trim()} --password-stdin`, push, pull]) {
    await run('sh', ['-c', line ?? 'false'], { cwd: work, env })
  }
  expect(existsSync(join(dir, 'pulled/index.json'))).toBe(true)
}

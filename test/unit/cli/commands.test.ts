import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import type { Runtime } from '../../../src/cli/runtime.ts'
import type { Config } from '../../../src/config/config.ts'
import { Fault } from '../../../src/errors.ts'
import { commandLine } from './harness.ts'

const FOUNDED = {
  clusterId: 'c1',
  nodeId: 'n1',
  admin: { username: 'admin', password: 'Generated1' },
  recoveryKey: 'flotillarecovery1_abc',
}

describe('init', () => {
  test('prints the generated password once, and what to type next', async () => {
    const asked: unknown[] = []
    const cli = commandLine({
      init: async ({ node }: Config, options) => {
        asked.push(node, options)
        return FOUNDED
      },
    })
    const { code, out } = await cli.type('init --cluster-name hq --name n1 --site rome --data-dir /srv/n1')
    expect(code).toBe(0)
    expect(asked).toEqual([
      { name: 'n1', site: 'rome' },
      { clusterName: 'hq', adminPassword: null },
    ])
    expect(out.match(/Generated1/g)).toHaveLength(1)
    expect(out).toContain('flotilla serve --data-dir /srv/n1')
  })

  test('--json is one line; a password that was given is not repeated', async () => {
    const cli = commandLine({
      init: async (_, { adminPassword }) => ({
        ...FOUNDED,
        admin: { username: 'admin', password: adminPassword ?? 'Generated1' },
      }),
    })
    expect(JSON.parse((await cli.type('init --json')).out)).toEqual(FOUNDED)
    const given = await cli.type('init --json', { environment: { FLOTILLA_ADMIN_PASSWORD: 'Geheim123' } })
    expect(JSON.parse(given.out)).toMatchObject({ admin: { username: 'admin', password: null } })
    expect((await cli.type('init --admin-password-stdin', { input: 'Geheim123' })).out).not.toContain(
      'Geheim123',
    )
  })

  test('a directory that is taken is one line and what to do', async () => {
    const cli = commandLine({
      init: () => Promise.reject(new Fault('DATA_DIR_IN_USE', '/srv/n1 holds a node of cluster hq')),
    })
    const { code, err } = await cli.type('init')
    expect(code).toBe(1)
    expect(err).toMatch(
      /^flotilla: \/srv\/n1 holds a node of cluster hq\n {2}choose another directory with --data-dir/,
    )
    expect(err).not.toMatch(/\n\s+at /)
    expect((await cli.type('init --debug')).err).toMatch(/\n\s+at /)
  })
})

describe('join and serve', () => {
  const running = (ended: Promise<string>, stopped: () => void): Awaited<ReturnType<Runtime['serve']>> => ({
    nodeId: 'n2',
    clusterId: 'c1',
    clusterName: 'hq',
    urls: ['http://127.0.0.1:5002'],
    addresses: [],
    ended,
    stop: async () => stopped(),
  })
  const join = async (_: Config, invite: string) => ({
    clusterId: invite,
    clusterName: 'hq',
    nodeId: 'n2',
    genesis: new Uint8Array([164]),
  })

  test('an invite may come on standard input', async () => {
    const cli = commandLine({ join })
    const { out } = await cli.type('join - --json --name n2 --site oslo', { input: 'flotilla1_x\n' })
    expect(JSON.parse(out)).toEqual({
      clusterId: 'flotilla1_x',
      clusterName: 'hq',
      nodeId: 'n2',
      name: 'n2',
      site: 'oslo',
    })
    expect((await cli.type('join -', { input: '' })).code).toBe(2)
  })

  test('--serve goes on until a signal, and stops the node', async () => {
    let stops = 0
    const cli = commandLine({
      join,
      serve: async () => {
        queueMicrotask(() => cli.interrupt())
        return running(new Promise(() => {}), () => stops++)
      },
    })
    expect((await cli.type('join flotilla1_x --serve')).code).toBe(0)
    expect(stops).toBe(1)
  })

  test('a node that ends by itself says why, and the exit code shows it', async () => {
    const cli = commandLine({ serve: async () => running(Promise.resolve('it was evicted'), () => {}) })
    const { code, err } = await cli.type('serve')
    expect([code, err]).toEqual([1, 'flotilla: the node has stopped: it was evicted\n'])
  })

  test('a port in use tells how to choose another one', async () => {
    const cli = commandLine({
      serve: () => Promise.reject(new Fault('PORT_IN_USE', '127.0.0.1:5000 is in use')),
    })
    expect((await cli.type('serve')).err).toMatch(/--http-port/)
  })
})

describe('usage', () => {
  test.each([
    ['frobnicate', /unknown command 'frobnicate'/],
    ['stauts', /Did you mean status\?/],
    ['serve --htpp-port 1', /Did you mean --http-port\?/],
    ['evict', /missing required argument 'node'/],
    ['serve --http-port x', /--http-port: http\.port must be a port/],
    ['user admin alice maybe', /must be on or off/],
    ['user password bob --password-stdin', /--password-stdin goes with --server\n.*--new-password-stdin/],
    ['status --password-stdin', /--password-stdin goes with --server/],
  ])('%s is told apart from a failure', async (words, message) => {
    const { code, err } = await commandLine().type(words)
    expect(code).toBe(2)
    expect(err).toMatch(message)
  })

  test('help is no error, wherever it is asked for', async () => {
    const cli = commandLine()
    for (const words of ['--help', 'help', 'help user', 'user create --help', '--version']) {
      expect(await cli.type(words)).toMatchObject({ code: 0, err: '' })
    }
  })

  test('a node that does not run is one line and what to do', async () => {
    const cli = commandLine()
    const { code, err } = await cli.type('status')
    expect(code).toBe(1)
    expect(err).toMatch(
      /^flotilla: no node is running on this data directory .*\n {2}start it with `flotilla serve`/,
    )
  })

  test('advice on bad settings is to a command that works in spite of them', async () => {
    const cli = commandLine()
    writeFileSync(join(cli.dataDir, 'flotilla.yaml'), 'log: { level: loud }\n')
    const { code, err } = await cli.type('config show')
    expect(code).toBe(1)
    expect(err).toContain('`flotilla help serve` lists the settings')
    expect((await cli.type('help serve')).out).toContain('--log-level <LEVEL>')
  })

  test('a misspelt variable is a warning', async () => {
    const { err } = await commandLine().type('config show', { environment: { FLOTILLA_LOG_LEVLE: 'info' } })
    expect(err).toContain('did you mean FLOTILLA_LOG_LEVEL?')
  })
})

test('config show names the origin of each value', async () => {
  const cli = commandLine()
  writeFileSync(join(cli.dataDir, 'flotilla.yaml'), '# settings\nhttp:\n  port: 5100\n')
  const { out } = await cli.type('config show --site rome')
  expect(out).toMatch(/^http\.port\s+5100\s+flotilla\.yaml:3$/m)
  expect(out).toMatch(/^node\.site\s+rome\s+--site$/m)
  expect(out).toMatch(/^dataDir\s+\S+\s+FLOTILLA_DATA_DIR$/m)
  expect(out).toMatch(/^log\.level\s+info\s+default$/m)
  const json = JSON.parse((await cli.type('config show --json')).out)
  expect(json.settings).toContainEqual({
    key: 'http.port',
    value: 5100,
    variable: 'FLOTILLA_HTTP_PORT',
    origin: { from: 'file', file: 'flotilla.yaml', line: 3 },
  })
})

test('version --json is for programs', async () => {
  const { out } = await commandLine().type('version --json')
  expect(JSON.parse(out)).toEqual({
    version: '1.2.3',
    node: process.versions.node,
    platform: `${process.platform}-${process.arch}`,
  })
})

describe('doctor', () => {
  const FREE = '--http-port 0 --cluster-port 0 --swarm-port 0'

  test('finds nothing wrong with a private directory and free ports', async () => {
    const cli = commandLine()
    const { code, out } = await cli.type(`doctor ${FREE} --json`)
    expect(
      JSON.parse(out).map(({ name, status }: { name: string; status: string }) => [name, status]),
    ).toEqual(
      [
        'Node',
        'data directory',
        'control socket',
        'disk',
        'clock',
        'http port',
        'cluster port',
        'swarm port',
      ].map((name) => [name, 'ok']),
    )
    expect(code).toBe(0)
  })

  test('a port somebody else has is a failure with its flag', async () => {
    const other = createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => other.once('listening', resolve))
    const { port } = other.address() as { port: number }
    const { code, out, err } = await commandLine().type(`doctor ${FREE} --http-port ${port}`)
    expect(code).toBe(1)
    expect(out).toMatch(/^http port\s+fail\s+127\.0\.0\.1:\d+ is taken by another program$/m)
    expect(out).toContain('http port: choose another one with --http-port')
    expect(err).toContain('1 check failed')
    other.close()
  })

  test('an open directory, a full disk and a long path are seen', async () => {
    const cli = commandLine()
    chmodSync(cli.dataDir, 0o755)
    const open = await cli.type(`doctor ${FREE} --disk-warn-below 900TiB`)
    expect(open.out).toMatch(/^data directory\s+warn\s+.*\(mode 755\)$/m)
    expect(open.out).toMatch(/^disk\s+warn/m)
    expect(open.code).toBe(0)
    const long = join(cli.dataDir, 'x'.repeat(120))
    mkdirSync(long)
    expect((await cli.type(`doctor ${FREE} --data-dir ${long}`)).out).toMatch(/^control socket\s+fail/m)
  })

  test('a certificate or key that cannot be used is a failure that names the file', async () => {
    const cli = commandLine()
    const cert = join(cli.dataDir, 'cert.pem')
    const flags = `doctor ${FREE} --http-tls-cert ${cert} --http-tls-key ${join(cli.dataDir, 'key.pem')}`
    const absent = await cli.type(flags)
    expect(absent.code).toBe(1)
    expect(absent.out).toMatch(/^certificate\s+fail\s+\S+cert\.pem is not there$/m)
    writeFileSync(cert, 'nonsense')
    expect((await cli.type(flags)).out).toMatch(/^certificate\s+fail\s+\S+cert\.pem does not hold a cert/m)
  })

  test('the journal of a node that does not run is the runtime’s to judge', async () => {
    const cli = commandLine({
      inspect: async () => [{ name: 'journal', status: 'fail', detail: 'torn', advice: 'restore it' }],
    })
    const { code, out } = await cli.type(`doctor ${FREE}`)
    expect(code).toBe(1)
    expect(out).toMatch(/^journal\s+fail\s+torn$/m)
  })
})

import { once } from 'node:events'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { readArguments } from '../../../scripts/local-cluster/arguments.ts'
import { clientLines } from '../../../scripts/local-cluster/client-lines.ts'
import { freePort } from '../../../scripts/local-cluster/ports.ts'
import { LocalState } from '../../../scripts/local-cluster/state.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const folder = () => temporaryFolder('up')
const NODE = {
  name: 'node1',
  site: 'site1',
  ports: { http: 1, cluster: 2, swarm: 3 },
  pid: null,
  member: false,
}

describe('the words after scripts/up', () => {
  test('none of them means three nodes, or as many as there are', () => {
    expect(readArguments([])).toEqual({
      command: 'up',
      nodes: undefined,
      fresh: false,
      json: false,
      dir: undefined,
    })
    expect(readArguments(['--nodes', '5', '--fresh', '--json'])).toMatchObject({
      nodes: 5,
      fresh: true,
      json: true,
    })
    expect(readArguments(['down'])).toMatchObject({ command: 'down' })
    expect(readArguments(['-h'])).toBe('help')
  })

  test.each([
    ['--nodes', '0'],
    ['--nodes', 'x'],
    ['--nodes', '10'],
    ['--nodse', '3'],
    ['sideways'],
    ['down', 'up'],
  ])('%s %s is refused', (...words) => {
    expect(readArguments(words.filter((word) => word !== undefined))).toBeInstanceOf(Error)
  })
})

test('a port that is taken or given away is passed over', async () => {
  const taken = createServer().listen(0, '127.0.0.1')
  await once(taken, 'listening')
  const { port } = taken.address() as { port: number }
  const given = new Set<number>()
  const first = await freePort(port, given)
  expect(first).toBeGreaterThan(port)
  expect(await freePort(port, given)).toBeGreaterThan(first)
  taken.close()
})

describe('what is kept', () => {
  test('survives from one run to the next', () => {
    const dir = folder()
    const state = new LocalState(dir)
    expect(state.nodes()).toEqual([])
    state.put(NODE)
    state.put({ ...NODE, pid: 7, member: true })
    expect(new LocalState(dir).nodes()).toEqual([{ ...NODE, pid: 7, member: true }])
  })

  test('a wipe takes only what the script makes', () => {
    const dir = folder()
    const state = new LocalState(dir)
    state.put(NODE)
    mkdirSync(state.dataDir(NODE))
    writeFileSync(join(dir, 'notes.txt'), 'mine')
    state.wipe()
    expect(existsSync(state.dataDir(NODE))).toBe(false)
    expect(state.nodes()).toEqual([])
    expect(existsSync(join(dir, 'notes.txt'))).toBe(true)
  })

  test('one script works on it at a time, and a dead one holds nobody up', () => {
    const dir = folder()
    new LocalState(dir).lock()
    expect(() => new LocalState(dir).lock()).toThrow(`process ${process.pid}`)
    writeFileSync(join(dir, 'lock'), `${2 ** 22 + 1}\n`)
    expect(() => new LocalState(dir).lock()).not.toThrow()
  })

  test('a state that cannot be read says how to begin anew', () => {
    const dir = folder()
    writeFileSync(join(dir, 'state.json'), '{')
    expect(() => new LocalState(dir).nodes()).toThrow('--fresh')
  })
})

describe('the three lines', () => {
  const path = process.env.PATH
  afterEach(() => {
    process.env.PATH = path
  })

  /** Programs of these names and nothing else on the PATH; they say yes to everything. */
  function machineWith(...programs: string[]): void {
    const bin = folder()
    for (const name of programs) writeFileSync(join(bin, name), '#!/bin/sh\nexit 0\n', { mode: 0o755 })
    process.env.PATH = bin
  }

  const scene = {
    near: '127.0.0.1:5001',
    far: '127.0.0.1:5002',
    user: 'admin',
    password: "it's",
    image: { directory: '/x/example', layer: '/x/example/layer' },
    pulled: '/x/pulled',
  }

  test.runIf(process.platform === 'linux')('suit the client that is there', () => {
    machineWith('skopeo', 'crane')
    expect(clientLines(scene)).toEqual({
      client: 'skopeo',
      login: `echo 'it'\\''s' | skopeo login --tls-verify=false -u admin --password-stdin 127.0.0.1:5001`,
      push: 'skopeo copy --dest-tls-verify=false oci:/x/example:hello docker://127.0.0.1:5001/library/hello:1',
      pull: 'skopeo copy --src-tls-verify=false docker://127.0.0.1:5002/library/hello:1 oci:/x/pulled:hello',
    })
    machineWith('docker', 'podman', 'skopeo')
    expect(clientLines(scene).client).toBe('docker')
    machineWith('podman', 'skopeo')
    expect(clientLines(scene).client).toBe('skopeo')
    machineWith('crane')
    expect(clientLines(scene).push).toBe('crane push /x/example 127.0.0.1:5001/library/hello:1')
  })

  test('are skopeo’s where no client is', () => {
    machineWith()
    expect(clientLines(scene).client).toBe('skopeo')
  })

  test('let the client ask for a password that is not known any more', () => {
    machineWith('skopeo')
    expect(clientLines({ ...scene, password: null }).login).toBe(
      'skopeo login --tls-verify=false -u admin 127.0.0.1:5001',
    )
  })
})

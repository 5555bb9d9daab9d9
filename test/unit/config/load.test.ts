import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { type ConfigSources, loadConfig } from '../../../src/config/load.ts'
import { temporaryFolder } from '../../support/temporary.ts'

const machine = { hostname: 'Build-7.example.org', home: '/home/ada' }

function sources(yaml?: string, rest: Partial<ConfigSources> = {}): ConfigSources {
  const cwd = temporaryFolder('config')
  if (yaml !== undefined) writeFileSync(join(cwd, 'flotilla.yaml'), yaml)
  return { environment: {}, machine, cwd, ...rest }
}

function originOf(key: string, given: ConfigSources) {
  return loadConfig(given).shown.find((setting) => setting.key === key)?.origin
}

describe('where values come from', () => {
  test('without a file every value has its default', () => {
    const { config, file, shown } = loadConfig(sources())
    expect(file).toBeNull()
    expect(config.dataDir).toBe('/home/ada/.local/share/flotilla')
    expect(config.node.name).toBe('build-7')
    expect(config.http).toEqual({ host: '127.0.0.1', port: 5000, url: null, tls: null })
    expect(shown.every(({ origin }) => origin.from === 'default')).toBe(true)
  })

  test('the superuser keeps data where the system does', () => {
    const given = sources(undefined, { machine: { hostname: 'x', home: undefined } })
    expect(loadConfig(given).config.dataDir).toBe('/var/lib/flotilla')
  })

  test('a flag beats the environment, which beats the file, which beats the default', () => {
    const yaml = 'http:\n  port: 1001\n  host: 0.0.0.0\nnode:\n  site: rome\n'
    const given = sources(yaml, {
      environment: { FLOTILLA_HTTP_PORT: '1002', FLOTILLA_NODE_SITE: 'oslo' },
      flags: { 'http.port': '1003' },
    })
    const { config } = loadConfig(given)
    expect(config.http.port).toBe(1003)
    expect(config.node.site).toBe('oslo')
    expect(config.http.host).toBe('0.0.0.0')
    expect(originOf('http.port', given)).toEqual({ from: 'flag', name: '--http-port' })
    expect(originOf('node.site', given)).toEqual({ from: 'environment', name: 'FLOTILLA_NODE_SITE' })
    expect(originOf('http.host', given)).toEqual({ from: 'file', file: 'flotilla.yaml', line: 3 })
    expect(originOf('log.level', given)).toEqual({ from: 'default' })
  })

  test('an empty variable is as good as none', () => {
    expect(loadConfig(sources(undefined, { environment: { FLOTILLA_HTTP_PORT: '' } })).config.http.port).toBe(
      5000,
    )
  })

  test('a path in a file is relative to that file, in a flag to the working directory', () => {
    const given = sources('dataDir: data\n')
    const elsewhere = { ...given, cwd: '/', file: join(given.cwd, 'flotilla.yaml') }
    expect(loadConfig(elsewhere).config.dataDir).toBe(join(given.cwd, 'data'))
    expect(loadConfig({ ...given, flags: { dataDir: 'other' } }).config.dataDir).toBe(
      join(given.cwd, 'other'),
    )
  })

  test('FLOTILLA_CONFIG names the file, and a named file must be there', () => {
    const given = sources('node: { name: seven }\n')
    const file = join(given.cwd, 'flotilla.yaml')
    expect(loadConfig({ ...given, cwd: '/', environment: { FLOTILLA_CONFIG: file } }).config.node.name).toBe(
      'seven',
    )
    expect(() => loadConfig({ ...given, file: 'nowhere.yaml' })).toThrow(
      /nowhere\.yaml: there is no such file/,
    )
  })
})

describe('what a value may be', () => {
  test('lists come as YAML or separated by commas', () => {
    const yaml = 'cluster:\n  announce:\n    - a.example:4510\n    - 10.0.0.1:4510\n'
    expect(loadConfig(sources(yaml)).config.cluster.announce).toEqual(['a.example:4510', '10.0.0.1:4510'])
    const environment = { FLOTILLA_CLUSTER_ANNOUNCE: 'a:1, b:2' }
    expect(loadConfig(sources(undefined, { environment })).config.cluster.announce).toEqual(['a:1', 'b:2'])
  })

  test('durations and sizes carry units', () => {
    const { config } = loadConfig(sources('token: { ttlSeconds: 2h }\ndisk: { warnBelow: 512MiB }\n'))
    expect(config.token.ttlSeconds).toBe(7200)
    expect(config.disk.warnBelowBytes).toBe(512 * 1024 * 1024)
  })

  test('a trailing slash of the public URL goes', () => {
    expect(loadConfig(sources('http: { url: https://r.example/ }\n')).config.http.url).toBe(
      'https://r.example',
    )
  })

  test('a secret comes from the environment or from a file it names, and is never shown', () => {
    const given = sources()
    writeFileSync(join(given.cwd, 'secret'), 'correct horse\n')
    const loaded = loadConfig({ ...given, environment: { FLOTILLA_ADMIN_PASSWORD_FILE: 'secret' } })
    expect(loaded.config.admin.password).toBe('correct horse')
    expect(JSON.stringify(loaded.shown)).not.toContain('correct horse')
  })
})

describe('what is refused, and where it says the fault is', () => {
  const refusals: [string, string, RegExp][] = [
    [
      'an unknown key',
      'node:\n  nmae: x\n',
      /^flotilla\.yaml:2: node\.nmae is not a setting; did you mean node\.name\?$/,
    ],
    ['an unknown section', '\n\nhtpp:\n  port: 1\n', /^flotilla\.yaml:3: htpp is not a setting/],
    [
      'a bad port',
      'http:\n  port: 70000\n',
      /^flotilla\.yaml:2: http\.port must be a port, 0 to 65535 \(it is 70000\)$/,
    ],
    ['a port with letters', 'http: { port: 80a }', /http\.port must be a port/],
    ['a value where settings belong', 'http: 5000\n', /^flotilla\.yaml:1: http must hold settings/],
    ['a key without a value', 'node:\n  name:\n', /^flotilla\.yaml:2: node\.name .*\(it is null\)$/],
    ['a key given twice', 'node: { name: a }\nnode: { name: b }\n', /^flotilla\.yaml:2: /],
    ['broken YAML', 'node:\n  name: "x\n', /^flotilla\.yaml:\d: /],
    ['a list as the file', '- a\n', /^flotilla\.yaml:1: must hold/],
    [
      'a duration without sense',
      'token: { ttlSeconds: soon }\n',
      /token\.ttlSeconds must be a duration such as/,
    ],
    ['a duration out of bounds', 'token: { ttlSeconds: 30d }\n', /from 1m to 1d/],
    [
      'a log level of its own',
      'log: { level: loud }\n',
      /^flotilla\.yaml:1: log\.level must be one of trace, debug, info, warn, error, silent \(it is "loud"\)$/,
    ],
    ['a URL with a path', 'http: { url: "http://h/reg" }\n', /http\.url must be .* without a path/],
    [
      'a certificate without its key',
      'http:\n  tls:\n    cert: c.pem\n',
      /^flotilla\.yaml:3: http\.tls\.cert needs http\.tls\.key beside it/,
    ],
    ['a name that is no text', 'node: { name: 5 }\n', /node\.name must be lower-case letters/],
    [
      'a secret in the file',
      'admin:\n  password: geheim-geheim\n',
      /^flotilla\.yaml:2: admin\.password is a secret/,
    ],
  ]
  test.each(refusals)('%s', (_, yaml, message) => {
    expect(() => loadConfig(sources(yaml))).toThrow(
      expect.objectContaining({ code: 'CONFIG_INVALID', message: expect.stringMatching(message) }),
    )
  })

  test('a bad variable and a bad flag are named', () => {
    const environment = { FLOTILLA_NODE_SITE: 'Not A Label' }
    expect(() => loadConfig(sources(undefined, { environment }))).toThrow(
      /^FLOTILLA_NODE_SITE: node\.site must be/,
    )
    expect(() => loadConfig(sources(undefined, { flags: { 'swarm.port': 'x' } }))).toThrow(
      /^--swarm-port: swarm\.port/,
    )
  })

  test('a key without its certificate is named by its variable', () => {
    const environment = { FLOTILLA_HTTP_TLS_KEY: '/nope' }
    expect(() => loadConfig(sources(undefined, { environment }))).toThrow(
      /^FLOTILLA_HTTP_TLS_KEY: http\.tls\.key needs http\.tls\.cert/,
    )
  })

  test('a secret that is too short is not repeated', () => {
    const environment = { FLOTILLA_ADMIN_PASSWORD: 'hunter2' }
    expect(() => loadConfig(sources(undefined, { environment }))).toThrow(/^(?!.*hunter2).*8 characters/)
  })

  test('a misspelt variable is told; those of a Kubernetes service are not', () => {
    const environment = {
      FLOTILLA_HTTP_PROT: '1',
      FLOTILLA_SERVICE_HOST: '10.0.0.1',
      FLOTILLA_PORT_5000_TCP: 'tcp://10.0.0.1:5000',
    }
    expect(loadConfig(sources(undefined, { environment })).warnings).toEqual([
      'FLOTILLA_HTTP_PROT is not a setting; did you mean FLOTILLA_HTTP_PORT?',
    ])
  })
})

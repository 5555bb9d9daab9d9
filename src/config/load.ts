import { readFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import type { z } from 'zod'
import { Fault } from '../errors.ts'
import { type Config, formatOrigin, type Origin } from './config.ts'
import { readConfigFile } from './file.ts'
import { nearest } from './nearest.ts'
import { recall } from './remembered.ts'
import {
  flagOf,
  type Machine,
  type SettingKey,
  type SettingValues,
  settingKeys,
  settings,
  variableOf,
} from './settings.ts'

/** A configuration is a page; more is the wrong file. */
const CONFIG_FILE_BYTES_MAX = 1024 * 1024
/** Where the file is looked for when nobody names one; the first that exists counts. */
const CONFIG_FILES = ['flotilla.yaml', '/etc/flotilla/flotilla.yaml']
/** Variables of the command line that are no settings. */
const OTHER_VARIABLES = ['FLOTILLA_CONFIG', 'FLOTILLA_SERVER', 'FLOTILLA_USERNAME', 'FLOTILLA_PASSWORD_FILE']

export interface ConfigSources {
  readonly environment: Readonly<Record<string, string | undefined>>
  readonly machine: Machine
  /** Paths are relative to this. */
  readonly cwd: string
  /** Named on the command line. */
  readonly file?: string | undefined
  readonly flags?: Readonly<Partial<Record<SettingKey, string>>>
}

export interface LoadedConfig {
  readonly config: Config
  /** The file that was read, or null. */
  readonly file: string | null
  /** In the order of the settings; secrets are masked. */
  readonly shown: readonly ShownSetting[]
  /** Variables that look like a setting misspelt. */
  readonly warnings: readonly string[]
}

export interface ShownSetting {
  readonly key: SettingKey
  readonly value: unknown
  readonly origin: Origin
}

interface Given {
  readonly raw: unknown
  readonly origin: Origin
}

/**
 * Flags over environment over file over defaults; what is found is checked, wherever it came from.
 * @throws Fault CONFIG_INVALID naming file and line, variable or flag
 */
export function loadConfig(sources: ConfigSources): LoadedConfig {
  const file = findFile(sources)
  const given = new Map<SettingKey, Given>()
  if (file !== undefined) {
    for (const { key, raw, line } of readConfigFile(file.text, file.name)) {
      given.set(key, { raw, origin: { from: 'file', file: file.name, line } })
    }
  }
  for (const key of settingKeys) {
    const fromEnvironment = readVariable(key, sources)
    if (fromEnvironment !== undefined) given.set(key, fromEnvironment)
    const flag = sources.flags?.[key]
    if (flag !== undefined) given.set(key, { raw: flag, origin: { from: 'flag', name: flagOf(key) } })
  }

  const values: Partial<Record<SettingKey, unknown>> = {}
  const shown: ShownSetting[] = []
  for (const key of settingKeys) {
    const found = given.get(key) ?? remembered(key, values.dataDir)
    const checked = found === undefined ? settings[key].default(sources.machine) : check(key, found)
    const value = settings[key].path ? absolute(checked, found?.origin, sources.cwd) : checked
    values[key] = value
    const masked = settings[key].secret && value !== null ? '***' : value
    shown.push({ key, value: masked, origin: found?.origin ?? { from: 'default' } })
  }
  const config = assemble(values as SettingValues, (key) => given.get(key)?.origin)
  return { config, file: file?.name ?? null, shown, warnings: suspiciousVariables(sources.environment) }
}

/** What the node was made with, where nobody says otherwise now. `dataDir` is the first of the settings. */
function remembered(key: SettingKey, dataDir: unknown): Given | undefined {
  if (key !== 'node.name' && key !== 'node.site') return undefined
  const { file, values } = recall(String(dataDir))
  const raw = values[key]
  return raw === undefined ? undefined : { raw, origin: { from: 'file', file, line: 1 } }
}

function findFile(sources: ConfigSources): { name: string; text: string } | undefined {
  const named = sources.file ?? (sources.environment.FLOTILLA_CONFIG || undefined)
  for (const name of named === undefined ? CONFIG_FILES : [named]) {
    const text = readText(resolve(sources.cwd, name), name, named !== undefined)
    if (text !== undefined) return { name, text }
  }
  return undefined
}

function readVariable(key: SettingKey, { environment, cwd }: ConfigSources): Given | undefined {
  const name = variableOf(key)
  const value = environment[name]
  if (value !== undefined && value !== '') return { raw: value, origin: { from: 'environment', name } }
  const file = settings[key].secret ? environment[`${name}_FILE`] : undefined
  if (file === undefined || file === '') return undefined
  const text = readText(resolve(cwd, file), `${name}_FILE=${file}`, true) ?? ''
  return { raw: text.replace(/\r?\n$/, ''), origin: { from: 'environment', name: `${name}_FILE` } }
}

/** @param needed a file somebody named must be there; one that was only looked for need not */
function readText(path: string, name: string, needed: boolean): string | undefined {
  try {
    const bytes = readFileSync(path)
    if (bytes.length > CONFIG_FILE_BYTES_MAX) {
      throw new Fault('CONFIG_INVALID', `${name} is larger than 1 MiB: that is no configuration`, {
        file: path,
      })
    }
    return bytes.toString('utf8')
  } catch (error) {
    const code = (error as NodeJS.ErrnoException).code
    if (error instanceof Fault || (code === 'ENOENT' && !needed)) {
      if (error instanceof Fault) throw error
      return undefined
    }
    const reason = code === 'ENOENT' ? 'there is no such file' : `it cannot be read (${code})`
    throw new Fault('CONFIG_INVALID', `${name}: ${reason}`, { file: path }, error)
  }
}

function check(key: SettingKey, { raw, origin }: Given): unknown {
  const checked = (settings[key].schema as z.ZodType).safeParse(raw)
  if (checked.success) return checked.data
  const reason = checked.error.issues[0]?.message ?? 'is not valid'
  const value = settings[key].secret ? '' : ` (it is ${JSON.stringify(raw ?? null)})`
  const where = formatOrigin(origin)
  throw new Fault('CONFIG_INVALID', `${where}: ${key} ${lead(reason)}${value}`, { key, ...origin })
}

/** zod's own messages (`Invalid option: …`) as the rest of a sentence. */
function lead(reason: string): string {
  return reason.startsWith('must ') ? reason : `is not valid: ${reason}`
}

function absolute(path: unknown, origin: Origin | undefined, cwd: string): unknown {
  if (typeof path !== 'string') return path
  return resolve(origin?.from === 'file' ? dirname(resolve(cwd, origin.file)) : cwd, path)
}

function assemble(values: SettingValues, originOf: (key: SettingKey) => Origin | undefined): Config {
  const cert = values['http.tls.cert']
  const key = values['http.tls.key']
  if ((cert === null) !== (key === null)) {
    const [one, other] =
      key === null
        ? (['http.tls.cert', 'http.tls.key'] as const)
        : (['http.tls.key', 'http.tls.cert'] as const)
    const origin = originOf(one) ?? { from: 'default' }
    const message = `${formatOrigin(origin)}: ${one} needs ${other} beside it: they belong together, set both or neither`
    throw new Fault('CONFIG_INVALID', message, { key: one, ...origin })
  }
  return {
    dataDir: values.dataDir,
    node: { name: values['node.name'], site: values['node.site'] },
    http: {
      host: values['http.host'],
      port: values['http.port'],
      url: values['http.url'],
      tls: cert === null || key === null ? null : { cert, key },
    },
    cluster: {
      host: values['cluster.host'],
      port: values['cluster.port'],
      announce: values['cluster.announce'],
    },
    swarm: { port: values['swarm.port'] },
    log: { level: values['log.level'] },
    token: { ttlSeconds: values['token.ttlSeconds'] },
    disk: { warnBelowBytes: values['disk.warnBelow'] },
    admin: { password: values['admin.password'] },
  }
}

/**
 * A misspelt variable is told, not refused: Kubernetes puts FLOTILLA_… variables of its own into every pod
 * beside a service of that name.
 */
function suspiciousVariables(environment: ConfigSources['environment']): string[] {
  const known = new Set([
    ...OTHER_VARIABLES,
    ...settingKeys.flatMap((key) =>
      settings[key].secret ? [variableOf(key), `${variableOf(key)}_FILE`] : [variableOf(key)],
    ),
  ])
  return Object.keys(environment)
    .filter((name) => name.startsWith('FLOTILLA_') && !known.has(name))
    .flatMap((name) => {
      const meant = nearest(name, known)
      return meant === undefined ? [] : [`${name} is not a setting; did you mean ${meant}?`]
    })
}

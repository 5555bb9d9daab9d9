import { join } from 'node:path'
import { z } from 'zod'
import type { LogLevel } from './config.ts'
import { duration, size } from './units.ts'

/** What of the machine decides a default. */
export interface Machine {
  readonly hostname: string
  /** Home directory of the user; undefined for the superuser, whose data belongs to the system. */
  readonly home: string | undefined
}

/** One value an operator may set: in the file under `key`, as an environment variable, as a flag. */
export interface Setting<T> {
  readonly doc: string
  readonly schema: z.ZodType<T>
  readonly default: (machine: Machine) => T
  /** What stands for the value in help texts. */
  readonly placeholder: string
  /** Never in a file or a flag; the environment variable with `_FILE` names a file that holds it. */
  readonly secret?: boolean
  /** A shorter flag than the key gives. */
  readonly flag?: string
  /** A path: what a file says is relative to that file, anything else to the working directory. */
  readonly path?: boolean
}

function setting<T>(parts: Setting<T>): Setting<T> {
  return parts
}

const label = z
  .string('must be lower-case letters, digits and -, at most 63')
  .regex(/^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/, 'must be lower-case letters, digits and -, at most 63')
const host = z
  .string('must be an address or a host name, without scheme and port')
  .regex(/^[A-Za-z0-9.:-]{1,253}$/, 'must be an address or a host name, without scheme and port')
const port = z
  .union(
    [
      z.number(),
      z
        .string()
        .regex(/^\d{1,5}$/)
        .transform(Number),
    ],
    'must be a port, 0 to 65535',
  )
  .refine((n) => Number.isInteger(n) && n >= 0 && n <= 65_535, 'must be a port, 0 to 65535')
const path = z.string('must be a path').min(1, 'must be a path')
const levels = ['trace', 'debug', 'info', 'warn', 'error', 'silent'] as const satisfies LogLevel[]
const level = z.enum(levels, `must be one of ${levels.join(', ')}`)
const list = z.preprocess(
  (raw) =>
    typeof raw === 'string'
      ? raw
          .split(',')
          .map((item) => item.trim())
          .filter(Boolean)
      : raw,
  z
    .array(
      z.string('must be a list of addresses').regex(/^[^\s,]{1,300}$/, 'must be addresses'),
      'must be a list of addresses',
    )
    .max(16, 'must be at most 16 addresses'),
)
const publicUrl = z
  .string('must be http://host[:port] or https://host[:port], without a path')
  .regex(/^https?:\/\/[^/?#\s]+\/?$/, 'must be http://host[:port] or https://host[:port], without a path')
  .transform((url) => url.replace(/\/$/, ''))

/** Every setting there is. Help, `config show`, the file, the environment and the flags all read this table. */
export const settings = {
  dataDir: setting({
    doc: 'directory for everything this node keeps; one node, one directory',
    schema: path,
    path: true,
    default: ({ home }) => (home === undefined ? '/var/lib/flotilla' : join(home, '.local/share/flotilla')),
    placeholder: 'DIR',
  }),
  'node.name': setting({
    doc: 'name of this node, for people',
    schema: label,
    default: ({ hostname }) => labelFrom(hostname),
    placeholder: 'NAME',
    flag: '--name',
  }),
  'node.site': setting({
    doc: 'site this node stands at; bytes are fetched within a site first',
    schema: label,
    default: () => 'default',
    placeholder: 'SITE',
    flag: '--site',
  }),
  'http.host': setting({
    doc: 'address the registry and its API listen on; 0.0.0.0 for every interface',
    schema: host,
    default: () => '127.0.0.1',
    placeholder: 'ADDRESS',
  }),
  'http.port': setting({
    doc: 'port of the registry and its API',
    schema: port,
    default: () => 5000,
    placeholder: 'PORT',
  }),
  'http.url': setting<string | null>({
    doc: 'URL clients use from outside, when a proxy stands before the node',
    schema: publicUrl,
    default: () => null,
    placeholder: 'URL',
  }),
  'http.tls.cert': setting<string | null>({
    doc: 'PEM file with the certificate chain; together with http.tls.key',
    schema: path,
    path: true,
    default: () => null,
    placeholder: 'FILE',
  }),
  'http.tls.key': setting<string | null>({
    doc: 'PEM file with the private key of the certificate',
    schema: path,
    path: true,
    default: () => null,
    placeholder: 'FILE',
  }),
  'cluster.host': setting({
    doc: 'address other nodes reach this one on (libp2p and BitTorrent; members only, encrypted)',
    schema: host,
    default: () => '0.0.0.0',
    placeholder: 'ADDRESS',
  }),
  'cluster.port': setting({
    doc: 'port of the libp2p listener',
    schema: port,
    default: () => 4510,
    placeholder: 'PORT',
  }),
  'cluster.announce': setting<string[]>({
    doc: 'addresses to tell other nodes, separated by commas, when they differ from those of this machine',
    schema: list,
    default: () => [],
    placeholder: 'ADDRESSES',
  }),
  'swarm.port': setting({
    doc: 'port of the BitTorrent listener',
    schema: port,
    default: () => 4511,
    placeholder: 'PORT',
  }),
  'log.level': setting<LogLevel>({
    doc: 'least important messages to log: trace, debug, info, warn, error or silent',
    schema: level,
    default: () => 'info',
    placeholder: 'LEVEL',
  }),
  'token.ttlSeconds': setting({
    doc: 'how long a registry token is good for (seconds, or 30m, 2h)',
    schema: duration(60, 86_400),
    default: () => 1800,
    placeholder: 'DURATION',
  }),
  'disk.warnBelow': setting({
    doc: '`doctor` warns when less than this is free under the data directory (512MiB, 2GB)',
    schema: size(),
    default: () => 2 * 2 ** 30,
    placeholder: 'SIZE',
  }),
  'admin.password': setting<string | null>({
    doc: 'password of the first administrator, for `init` only; generated where it is not given',
    schema: z.string().min(8, 'must have at least 8 characters').max(128, 'must have at most 128 characters'),
    default: () => null,
    placeholder: 'PASSWORD',
    secret: true,
  }),
} as const

export type SettingKey = keyof typeof settings
/** What each setting's schema makes of it. */
export type SettingValues = {
  readonly [K in SettingKey]: (typeof settings)[K] extends Setting<infer T> ? T : never
}

export const settingKeys = Object.keys(settings) as SettingKey[]

/** `http.tls.cert` -> `FLOTILLA_HTTP_TLS_CERT` */
export function variableOf(key: SettingKey): string {
  return `FLOTILLA_${words(key).join('_').toUpperCase()}`
}

/** `http.tls.cert` -> `--http-tls-cert` */
export function flagOf(key: SettingKey): string {
  return (settings[key] as Setting<unknown>).flag ?? `--${words(key).join('-')}`
}

function words(key: string): string[] {
  return key
    .split('.')
    .flatMap((part) => part.replaceAll(/[A-Z]/g, (letter) => `.${letter.toLowerCase()}`).split('.'))
}

/** A host name as a node name: `Build-7.example.org` -> `build-7`. */
function labelFrom(hostname: string): string {
  const [first = ''] = hostname.toLowerCase().split('.')
  const cleaned = first
    .replaceAll(/[^a-z0-9-]/g, '-')
    .slice(0, 63)
    .replaceAll(/^-+|-+$/g, '')
  return cleaned === '' ? 'node' : cleaned
}

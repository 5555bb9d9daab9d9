import type { z } from 'zod'
import { Fault } from '../errors.ts'
import { placementSettings } from '../journal/placement-policy.ts'

type Check = (value: string) => string | undefined

const truth: Check = (value) => (value === 'true' || value === 'false' ? undefined : 'is true or false')
/** A switch for something this version does not do: a promise nobody keeps is worse than a refusal. */
const absent: Check = (value) =>
  value === 'false' ? undefined : 'cannot be switched on: not in this version'
const severity: Check = (value) =>
  /^(none|low|medium|high|critical)$/.test(value) ? undefined : 'is none, low, medium, high or critical'

const read =
  (schema: z.ZodType): Check =>
  (value) =>
    schema.safeParse(value).error?.issues[0]?.message

/** Harbor's project metadata that can be set here, and where bytes are kept; a Map, for names come from outside. */
const SETTINGS: ReadonlyMap<string, Check> = new Map([
  ['public', truth],
  ['reuse_sys_cve_allowlist', truth],
  ['severity', severity],
  ['auto_scan', absent],
  ['auto_sbom_generation', absent],
  ['prevent_vul', absent],
  ['enable_content_trust', absent],
  ['enable_content_trust_cosign', absent],
  ...Object.entries(placementSettings).map(([name, schema]) => [name, read(schema)] as const),
])

/** Of proxy projects only; Harbor drops them from others without a word, and its clients send them. */
const IGNORED: ReadonlySet<string> = new Set([
  'proxy_speed_kb',
  'max_upstream_conn',
  'proxy_cache_local_on_not_found',
  'proxy_referrer_api',
  'proxy_cache_filter_pattern',
  'proxy_cache_filter_kind',
])

/**
 * The settings of a request, checked one by one.
 * @throws Fault BAD_REQUEST
 */
export function checkSettings(metadata: Iterable<readonly [string, string]>): Record<string, string> {
  const settings: [string, string][] = []
  for (const [key, value] of metadata) {
    if (IGNORED.has(key)) continue
    const check = SETTINGS.get(key)
    if (!check) throw new Fault('BAD_REQUEST', `a project has no setting ${key}`)
    const wrong = check(value)
    if (wrong !== undefined) throw new Fault('BAD_REQUEST', `metadata.${key} ${wrong}`)
    settings.push([key, value])
  }
  return Object.fromEntries(settings)
}

import { z } from 'zod'
import type { ProjectRow, Register } from './rows.ts'

/** A push holds its connection for so long at most: below what a server keeps a silent one. */
const WAIT_SECONDS_MAX = 240
const WAIT_SECONDS_DEFAULT = 30
/** Of copies as of sites that are waited for: more than that many is `everywhere`. */
const SITES_MAX = 99
const SITE = /^[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?$/

const isNumberUpTo = (max: number, text: string) => /^[1-9]\d{0,2}$/.test(text) && Number(text) <= max

/** Where a project's bytes are kept and may be: project metadata, each value with the meaning it is read by. */
export const placementSettings = {
  /** How many sites keep a copy of everything, asked for or not. */
  placement: z
    .string()
    .regex(
      /^(?:on-demand|everywhere|sites:[1-9]\d?)$/,
      `is on-demand, everywhere or sites:1 to sites:${SITES_MAX}`,
    )
    .transform((text) => {
      if (text === 'on-demand') return 0
      return text === 'everywhere' ? Number.POSITIVE_INFINITY : Number(text.slice('sites:'.length))
    }),
  /** The only sites whose nodes may have the bytes; empty: all. */
  residency: z
    .string()
    .refine(
      (text) => text === '' || text.split(',').every((site) => SITE.test(site)),
      'is a list of sites: eu-1,eu-2',
    )
    .transform((text) => (text === '' ? null : new Set(text.split(',')))),
  /** Sites that must hold a manifest, its blobs and the records of both before a push is answered. */
  durability: z
    .string()
    .refine((text) => isNumberUpTo(SITES_MAX, text), `is a number of sites, 1 to ${SITES_MAX}`)
    .transform(Number),
  durability_wait: z
    .string()
    .refine(
      (text) => isNumberUpTo(WAIT_SECONDS_MAX, text),
      `is a number of seconds, 1 to ${WAIT_SECONDS_MAX}`,
    )
    .transform((text) => Number(text) * 1000),
  /** What a push is told when that time is over. */
  durability_fallback: z.enum(['degrade', 'refuse'], 'is degrade or refuse'),
} as const

type Setting = keyof typeof placementSettings
type Value<S extends Setting> = z.infer<(typeof placementSettings)[S]>

export interface PlacementPolicy {
  /** Sites that keep a copy; infinite: all that may, 0: who asks for it. */
  readonly copies: number
  /** Null: all sites. Empty where sites were named apart that have none in common. */
  readonly residency: ReadonlySet<string> | null
  readonly durability: {
    /** 1: where the push was taken. */
    readonly sites: number
    readonly waitMs: number
    readonly fallback: 'degrade' | 'refuse'
  }
}

/**
 * What a project's settings come to. Where sites set them unaware of each other the tighter one counts: only sites that
 * all lists name, the most copies, a refusal before a warning. So nothing leaves before somebody has chosen.
 */
export function placementOf(row: Pick<ProjectRow, 'metadata'>): PlacementPolicy {
  const durable = Math.max(1, ...said(row, 'durability'))
  return {
    copies: Math.max(0, ...said(row, 'placement'), durable > 1 ? durable : 0),
    residency: residencyOf(row),
    durability: {
      sites: durable,
      waitMs: Math.max(0, ...said(row, 'durability_wait')) || WAIT_SECONDS_DEFAULT * 1000,
      fallback: said(row, 'durability_fallback').includes('refuse') ? 'refuse' : 'degrade',
    },
  }
}

/** The sites whose nodes may have a project's bytes; null: all. What cannot be read (a newer version wrote it) allows none. */
export function residencyOf({ metadata }: Pick<ProjectRow, 'metadata'>): ReadonlySet<string> | null {
  const [first, ...others] = registerOf(metadata, 'residency').flatMap(({ value }) => {
    const list = placementSettings.residency.safeParse(value)
    return list.success ? (list.data ?? []) : NOWHERE
  })
  return first ? new Set([...first].filter((site) => others.every((list) => list.has(site)))) : null
}

const NOWHERE: ReadonlySet<string> = new Set()

function said<S extends Setting>({ metadata }: Pick<ProjectRow, 'metadata'>, setting: S): Value<S>[] {
  return registerOf(metadata, setting).flatMap(({ value }) => {
    const parsed = placementSettings[setting].safeParse(value)
    return parsed.success ? [parsed.data as Value<S>] : []
  })
}

function registerOf(metadata: ProjectRow['metadata'], setting: Setting): Register<string> {
  return Object.hasOwn(metadata, setting) ? (metadata[setting] ?? []) : []
}

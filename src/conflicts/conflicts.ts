import { Fault } from '../errors.ts'
import type { Tables } from '../journal/journal.ts'
import { refusalText } from '../journal/refusals.ts'
import { printable } from '../oci/name.ts'
import { beatenBy } from './beaten-by.ts'
import type { Conflict } from './conflict.ts'
import { findLoss, type Loss, losses } from './losses.ts'
import { aboutOf, deedOf, deedOfValue, imageOf, projectLabel } from './names.ts'
import { Newest } from './newest.ts'
import { remedyOf } from './remedy.ts'

/** How far into the list a page may lie; past that a filter finds more than leafing through. */
const OFFSET_MAX = 100_000

export interface Filters {
  readonly project?: string | undefined
  readonly kind?: string | undefined
  readonly outcome?: Conflict['outcome'] | undefined
  /** Of whoever wrote it: a site's name, or a node's name or id. */
  readonly site?: string | undefined
  /** Milliseconds since 1970. */
  readonly since?: number | undefined
  /** Only those that somebody has to decide about, or only the others. */
  readonly open?: boolean | undefined
}

export interface Part {
  readonly offset: number
  readonly limit: number
}

/** Open conflicts that are counted; past that it only matters that there are more. */
const OPEN_MAX = 1000
/** Rows read for that count, some 0.1 s: a status is asked for often. */
const COUNTED_ROWS_MAX = 10_000

export interface OpenCount {
  readonly open: number
  /** There are more, or may be: the count was stopped. */
  readonly more: boolean
}

/** What was lost when sites that wrote apart were merged, for people to see. */
export class Conflicts {
  readonly #tables: Tables

  constructor(parts: { readonly tables: Tables }) {
    this.#tables = parts.tables
  }

  /**
   * Newest first by their authors' clocks. All that did not stay is read, row by row; kept are no more than the page and what lies before it.
   * @throws Fault BAD_REQUEST for a page too far in, or a site or node there is not
   */
  async list(filters: Filters, { offset, limit }: Part): Promise<{ total: number; items: Conflict[] }> {
    if (offset > OFFSET_MAX) throw new Fault('BAD_REQUEST', 'too far in; narrow the list down with a filter')
    if (filters.site !== undefined) await requireNode(this.#tables, filters.site)
    const newest = new Newest<Loss>(offset + limit)
    const look = { projectId: filters.project, mayBeOpen: filters.open }
    for await (const loss of losses(this.#tables, look)) {
      if (matches(this.#tables, loss, filters)) newest.add(loss)
    }
    return { total: newest.total, items: newest.from(offset).map((loss) => this.#conflict(loss)) }
  }

  /** How many somebody has to decide about, as far as that is soon told. */
  async countOpen(): Promise<OpenCount> {
    const budget = { left: COUNTED_ROWS_MAX }
    let open = 0
    for await (const loss of losses(this.#tables, { mayBeOpen: true, budget })) {
      if (!remedyOf(this.#tables, loss).open) continue
      if (open === OPEN_MAX) return { open, more: true }
      open += 1
    }
    return { open, more: budget.left < 0 }
  }

  /** @param project only where it belongs to that one */
  async find(id: string, project?: string): Promise<Conflict | undefined> {
    const loss = await findLoss(this.#tables, id, project)
    return loss && this.#conflict(loss)
  }

  #conflict(loss: Loss): Conflict {
    const tables = this.#tables
    const { id, kind, reason, outcome, projectId, tag, fields } = loss
    return {
      id,
      kind,
      about: aboutOf(tables, loss),
      image: imageOf(tables, loss),
      project: projectId === null ? null : projectLabel(tables, projectId),
      reason,
      text: textOf(loss),
      outcome,
      deed: deedOf(tables, loss),
      beatenBy: beatenBy(tables, loss),
      values: (tag?.values ?? []).map((one) => ({ ...deedOfValue(tables, one), digest: one.value })),
      fields: fields.map(({ field, values }) => ({
        field,
        values: values.map((one) => ({ ...deedOfValue(tables, one), value: one.value })),
      })),
      remedy: remedyOf(tables, loss),
    }
  }
}

function textOf({ reason, outcome }: Loss): string {
  if (reason === 'tag') return 'the tag was moved at another site at the same time'
  if (reason === 'field') return 'it was filled in otherwise at another site at the same time'
  if (reason === 'forked')
    return 'written by a node with two histories: what follows their parting was taken back'
  if (reason === 'dangling') return 'the manifest it names was taken back with the node that had pushed it'
  if (reason === 'revoked' && outcome === 'lost')
    return 'the role was taken away at another site at the same time'
  return refusalText(reason)
}

function matches(tables: Tables, loss: Loss, { kind, outcome, site, since, open }: Filters): boolean {
  if (kind !== undefined && loss.kind !== kind) return false
  if (outcome !== undefined && loss.outcome !== outcome) return false
  if (since !== undefined && loss.time < since) return false
  if (site !== undefined && !isAt(tables, loss.author, site)) return false
  return open === undefined || remedyOf(tables, loss).open === open
}

/** Names of nodes that an error tells. */
const NAMED_MAX = 20

/** Whoever mistypes a name must not take it that nothing was lost there. */
async function requireNode(tables: Tables, wanted: string): Promise<void> {
  const names: string[] = []
  for await (const { key } of tables.list('nodes')) {
    if (isAt(tables, key, wanted)) return
    const { name, site } = tables.get('nodes', key) ?? { name: key, site: '' }
    names.push(site === '' || site === name ? name : `${name} (${site})`)
  }
  const shown = names.toSorted().slice(0, NAMED_MAX)
  const more = names.length > shown.length ? ` and ${names.length - shown.length} more` : ''
  throw new Fault(
    'BAD_REQUEST',
    `no node and no site is called ${printable(wanted)}; there are: ${shown.join(', ')}${more}`,
  )
}

function isAt(tables: Tables, author: string, site: string): boolean {
  const node = tables.get('nodes', author)
  return author === site || node?.name === site || node?.site === site
}

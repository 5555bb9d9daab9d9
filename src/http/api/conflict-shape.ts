import { roleName } from '../../access/roles.ts'
import type { About, Conflict, Deed } from '../../conflicts/conflict.ts'
import { time } from './shapes.ts'

/** A conflict as it is sent; `repository`, `tag` and `digest` of what is in a repository, `values` of tags only, `fields` of users and projects, what counts first. */
export function conflictShape(conflict: Conflict): object {
  const { id, kind, about, image, project, reason, text, outcome, deed, beatenBy } = conflict
  const { values, fields, remedy } = conflict
  const { open, action, needs, advice } = remedy
  return {
    id,
    kind,
    about: [aboutText(about), ...fields.map((one) => fieldText(one, id))].join(', '),
    project,
    ...(image && { repository: image.repository, tag: image.tag, digest: image.digest }),
    reason,
    text,
    outcome,
    ...deedShape(deed),
    beaten_by: beatenBy && {
      id: beatenBy.id,
      ...deedShape(beatenBy),
      ...(beatenBy.why !== undefined && { why: beatenBy.why }),
    },
    open,
    repair: { action, needs, advice },
    ...(values.length > 0 && {
      values: values.map((one) => ({ id: one.id, digest: one.digest, ...deedShape(one) })),
    }),
    ...(fields.length > 0 && {
      fields: fields.map((one) => ({
        field: one.field,
        values: one.values.map((value) => ({ id: value.id, value: value.value, ...deedShape(value) })),
      })),
    }),
  }
}

/** Of a text in a list: it tells values apart, all of it stands in `fields`. */
const VALUE_SHOWN_MAX = 40

function fieldText({ field, values }: Conflict['fields'][number], id: string): string {
  const lost = values.find((one) => one.id === id)
  return `${field} ${shown(lost?.value)} (counts: ${shown(values[0]?.value)})`
}

function shown(value = ''): string {
  return value.length > VALUE_SHOWN_MAX ? `"${value.slice(0, VALUE_SHOWN_MAX)}…"` : `"${value}"`
}

function deedShape({ actor, node, site, time: at }: Deed): object {
  return { actor, node, site, time: time(at) }
}

/** In a few words, with the names people know. */
function aboutText(about: About): string {
  switch (about.what) {
    case 'user': {
      const right = about.admin === null ? '' : about.admin ? ' (administrator)' : ' (no administrator)'
      return `user ${about.user}${right}`
    }
    case 'project': {
      const settings = Object.entries(about.settings).map(([key, value]) => `${key}=${value}`)
      return `project ${about.project}${settings.length > 0 ? ` (${settings.join(', ')})` : ''}`
    }
    case 'link':
      return about.link === '*'
        ? 'links without a policy of their own'
        : `link ${about.link.replace('/', ' - ')}`
    case 'quota':
      return `quota of ${about.project}`
    case 'member': {
      const role = about.role === null ? '' : ` as ${roleName(about.role)}`
      return `${about.user} in ${about.project}${role}`
    }
    case 'tag':
      return `${about.project}/${about.path}:${about.tag}${about.digest ? `@${about.digest}` : ''}`
    case 'node':
      return `node ${about.node}`
    default:
      return about.record
  }
}

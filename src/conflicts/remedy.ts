import { bodyOf } from '../journal/authority/bodies.ts'
import { isAdmin, membershipOf, metadataOf, type Readable } from '../journal/effective.ts'
import { LINK_FIELDS } from '../journal/link-policy.ts'
import { claimKey } from '../journal/names.ts'
import { winner } from '../journal/register.ts'
import { inRepository, type ProjectRow, type UserRow } from '../journal/rows.ts'
import type { LossReason, Remedy } from './conflict.ts'
import type { Loss } from './losses.ts'
import { opOf, type Said } from './names.ts'

const SETTLED: Remedy = { open: false, action: null, needs: [], advice: null }

/** Reasons that were somebody's right, or their node, not the thing itself: with the right, it can be done. */
export const FOR_WANT_OF_RIGHT: ReadonlySet<LossReason> = new Set(['revoked', 'powerless', 'forked'])

/** What can still be done by hand, where it can't be approved. */
const BY_HAND: Readonly<Partial<Record<LossReason, string>>> = {
  unknown: 'upgrade this node',
  'invite-used': 'make another invite: flotilla invite',
  evicted: 'push it again at a member',
  deleted: 'make it anew if it is still wanted',
  quota: 'set the quota again',
}

/** What can be done about an op that lost, as the tables stand. */
export function remedyOf(tables: Readable, loss: Loss): Remedy {
  const { reason } = loss
  if (reason === 'tag' || reason === 'field') return { open: true, action: 'take', needs: [], advice: null }
  if (reason === 'dangling')
    return { open: true, action: null, needs: [], advice: adviceOnDangling(tables, loss) }
  if (reason === 'name') {
    const advice = 'or keep both as they are shown, or delete one of the two'
    return { open: true, action: 'rename', needs: ['name'], advice }
  }
  if (reason === 'last-admin') {
    const advice = 'appoint another administrator if it is still wanted: it then counts by itself'
    return { open: true, action: null, needs: [], advice }
  }
  if (!FOR_WANT_OF_RIGHT.has(reason)) return { ...SETTLED, advice: BY_HAND[reason] ?? null }
  const op = opOf(tables, loss)
  if (op && loss.tag) return remedyOfTag(tables, loss, op)
  const wish = op && wishOf(op)
  if (!op || !wish) return { ...SETTLED, advice: 'say it again at a member if it is still wanted' }
  if (!wish(tables)) return SETTLED
  const name = nameTaken(tables, op)
  if (name === undefined) return { open: true, action: 'approve', needs: [], advice: null }
  const advice = `the name ${name} is taken by now: approve it under another one (--as NAME)`
  return { open: true, action: 'approve', needs: ['name'], advice }
}

function adviceOnDangling(tables: Readable, { tag, subject }: Loss): string {
  const others = (tag?.values ?? []).filter(({ value }) => value !== subject?.digest)
  const isThere = others.some(({ value }) =>
    tables.get('manifests', inRepository(`${tag?.projectId}/${tag?.path}`, value)),
  )
  const otherwise = 'push it again, or delete the tag'
  return isThere ? `--take another of its values, which are listed under tag, ${otherwise}` : otherwise
}

/** A push that a fork took back: settled once somebody has moved the tag since, or it points there again. */
function remedyOfTag(tables: Readable, { tag, time }: Loss, op: Said): Remedy {
  const { digest } = bodyOf(op, 'tag.moved') ?? {}
  const counts = tables.get('tags', tag?.key ?? '')?.values[0]
  if (tables.get('retracted', op.id)?.settled) return SETTLED
  if (digest === undefined || counts?.value === digest || (counts?.time ?? 0) > time) return SETTLED
  if (tables.get('manifests', inRepository(`${tag?.projectId}/${tag?.path}`, digest)))
    return { open: true, action: 'approve', needs: [], advice: null }
  return { open: true, action: null, needs: [], advice: 'push it again at a member' }
}

/** The name something would be made under, where another has it by now. */
function nameTaken(tables: Readable, op: Said): string | undefined {
  const created = bodyOf(op, 'user.created') ?? bodyOf(op, 'project.created')
  if (!created) return undefined
  const what = op.kind === 'user.created' ? 'user-name' : 'project-name'
  return tables.get('claims', claimKey(what, created.name)) ? created.name : undefined
}

/**
 * What an op that can be approved wanted.
 * @returns whether that can be had and is not so yet; undefined for a kind that nobody approves
 */
export function wishOf(op: Said): ((tables: Readable) => boolean) | undefined {
  const created = bodyOf(op, 'user.created') ?? bodyOf(op, 'project.created')
  if (created) {
    // Who approves it makes it under its number, whatever the name.
    const what = op.kind === 'user.created' ? 'user-number' : 'project-number'
    return (tables) => tables.get('claims', claimKey(what, created.number)) === undefined
  }
  return ofUser(op) ?? ofProject(op) ?? ofMember(op) ?? ofLink(op)
}

function ofUser(op: Said): ((tables: Readable) => boolean) | undefined {
  const deleted = bodyOf(op, 'user.deleted')
  if (deleted) return (tables) => livingUser(tables, deleted.user) !== undefined
  const admin = bodyOf(op, 'user.admin-set')
  if (admin) {
    return (tables) => {
      const row = livingUser(tables, admin.user)
      return row !== undefined && isAdmin(row) !== admin.admin
    }
  }
  const profile = bodyOf(op, 'user.profile-set')
  if (!profile) return undefined
  return (tables) => {
    const row = livingUser(tables, profile.user)
    const fields = ['email', 'realname', 'comment'] as const
    return (
      row !== undefined &&
      fields.some((field) => profile[field] !== undefined && profile[field] !== winner(row[field]))
    )
  }
}

function ofProject(op: Said): ((tables: Readable) => boolean) | undefined {
  const deleted = bodyOf(op, 'project.deleted')
  if (deleted) return (tables) => livingProject(tables, deleted.project) !== undefined
  const settings = bodyOf(op, 'project.metadata-set')
  if (!settings) return undefined
  return (tables) => {
    const row = livingProject(tables, settings.project)
    if (!row) return false
    const now = metadataOf(tables, row)
    return Object.entries(settings.metadata).some(([key, value]) => now.get(key) !== value)
  }
}

function ofMember(op: Said): ((tables: Readable) => boolean) | undefined {
  const body = bodyOf(op, 'member.granted') ?? bodyOf(op, 'member.revoked')
  if (!body) return undefined
  const role = bodyOf(op, 'member.granted')?.role
  return (tables) =>
    livingProject(tables, body.project) !== undefined &&
    livingUser(tables, body.user) !== undefined &&
    membershipOf(tables, body.project, body.user)?.role !== role
}

function ofLink(op: Said): ((tables: Readable) => boolean) | undefined {
  const body = bodyOf(op, 'link.policy-set')
  if (!body) return undefined
  return (tables) => {
    const row = tables.get('linkPolicies', body.link)
    return LINK_FIELDS.some((field) => {
      const wanted = body[field]
      const now = row && winner<number | string | boolean | null>(row[field])
      return wanted !== undefined && wanted !== (now ?? null)
    })
  }
}

function livingUser(tables: Readable, id: string): UserRow | undefined {
  const row = tables.get('users', id)
  return row && !row.deleted ? row : undefined
}

function livingProject(tables: Readable, id: string): ProjectRow | undefined {
  const row = tables.get('projects', id)
  return row && !row.deleted ? row : undefined
}

import type { Accounts } from '../access/accounts.ts'
import type { Demand } from '../access/decide.ts'
import type { Acting } from '../access/principal.ts'
import { Fault } from '../errors.ts'
import { bodyOf } from '../journal/authority/bodies.ts'
import { membershipOf, type Readable } from '../journal/effective.ts'
import type { Journal } from '../journal/journal.ts'
import { type Body, op, userName } from '../journal/kinds.ts'
import { LINK_FIELDS } from '../journal/link-policy.ts'
import { claimKey } from '../journal/names.ts'
import { AUTHORITY, CATALOG } from '../journal/op.ts'
import { refusalText } from '../journal/refusals.ts'
import { inRepository, type Register } from '../journal/rows.ts'
import { isDigest } from '../oci/digest.ts'
import type { Member, Members } from '../projects/members.ts'
import type { Projects } from '../projects/projects.ts'
import type { Action } from './conflict.ts'
import { findLoss, type Loss, lossesOf, type TagPlace } from './losses.ts'
import { opOf, type Said } from './names.ts'
import { FOR_WANT_OF_RIGHT, remedyOf, wishOf } from './remedy.ts'

export interface RepairsParts {
  readonly journal: Journal
  readonly accounts: Pick<Accounts, 'setProfile' | 'rename' | 'setAdmin' | 'delete'>
  readonly projects: Pick<Projects, 'create' | 'update' | 'rename' | 'delete'>
  readonly members: Pick<Members, 'of' | 'add' | 'setRole' | 'remove'>
}

export interface RepairRequest {
  readonly action: Action
  /** What the loser of a name shall be called, or something that is made anew where its own name is taken. */
  readonly name?: string | undefined
  /** Only where it belongs to that project. */
  readonly project?: string | undefined
}

/** The caller as the author of what they demand: the same question as for doing the thing itself. */
export type As = (demand: Demand) => Acting

/**
 * The one step that mends a conflict: an op of its own, by whoever takes the step, which has seen both sides.
 * Nothing that was written is changed by it. Rights, and whether there is still something to mend, are asked in the
 * commit's own turn.
 */
export class Repairs {
  readonly #parts: RepairsParts

  constructor(parts: RepairsParts) {
    this.#parts = parts
  }

  /**
   * @throws Fault NOT_FOUND, CONFLICT when it has been settled, PRECONDITION when that does not mend it, and
   *   what doing the thing itself throws
   */
  async repair(id: string, { action, name, project }: RepairRequest, as: As): Promise<void> {
    const loss = await findLoss(this.#parts.journal.tables, id, project)
    if (!loss) {
      throw new Fault('NOT_FOUND', 'there is no such conflict; one that is mended leaves the list')
    }
    if (action === 'rename') return this.#rename(loss, name, as)
    if (loss.fields.length > 0) {
      if (action === 'approve')
        throw new Fault('PRECONDITION', 'a field takes one of its values: take or keep')
      return this.#settleFields(loss, action, as)
    }
    if (loss.reason === 'dangling') {
      const { advice } = remedyOf(this.#parts.journal.tables, loss)
      throw new Fault('PRECONDITION', `the tag points at nothing: ${advice}`)
    }
    if (loss.reason === 'tag' && loss.tag) {
      if (action === 'approve') throw new Fault('PRECONDITION', 'a tag takes one of its values: take or keep')
      return this.#settleTag(loss, loss.tag, action, as)
    }
    if (action !== 'approve')
      throw new Fault('PRECONDITION', 'only tags and fields have values to take or keep')
    if (loss.reason === 'forked' && loss.tag) return this.#tagAgain(loss, loss.tag, as)
    return this.#approve(loss, name, as)
  }

  /** A push that a fork took back, where the manifest is here from another one. */
  async #tagAgain(loss: Loss, { projectId, path, tag }: TagPlace, as: As): Promise<void> {
    const { journal } = this.#parts
    const said = opOf(journal.tables, loss)
    const { digest } = (said && bodyOf(said, 'tag.moved')) ?? {}
    const by = as({ action: 'repository:push', on: 'project', project: projectId })
    await journal.commit(CATALOG, (tables) => {
      by.permit(tables)
      const { open, action } = remedyOf(tables, loss)
      if (!open) throw settled()
      if (action === null || digest === undefined)
        throw new Fault('PRECONDITION', 'the manifest went with it: push it again at a member')
      return [op('tag.moved', { projectId, path, tag, digest }, by.actor)]
    })
  }

  /** Another name for who lost theirs: whoever holds one is not renamed, for others know them by it. */
  async #rename(loss: Loss, name: string | undefined, as: As): Promise<void> {
    const [what, id] = (loss.entity ?? '').split(':')
    if (loss.reason !== 'name' || id === undefined) {
      throw new Fault('PRECONDITION', 'only who lost a name to another is given a new one')
    }
    if (name === undefined) throw new Fault('BAD_REQUEST', 'say the new name')
    const { accounts, projects } = this.#parts
    if (what === 'user') {
      const by = guarded(loss, as, { action: 'user:rename', on: 'user', user: id })
      return accounts.rename(id, name, by)
    }
    return projects.rename(
      id,
      name,
      guarded(loss, as, { action: 'project:update', on: 'project', project: id }),
    )
  }

  /** All fields in which it lost, together. */
  async #settleFields({ id, entity, projectId }: Loss, action: 'take' | 'keep', as: As): Promise<void> {
    const [what, named = ''] = entity?.split(':') ?? []
    const by = as(demandFor(what, named))
    await this.#parts.journal.commit(AUTHORITY, (tables) => {
      by.permit(tables)
      const loss = [...lossesOf(tables, entity ?? '')].find((one) => one.id === id)
      if (!loss) throw settled()
      const chosen = loss.fields.flatMap(({ field, values }) => {
        const one = action === 'take' ? values.find((value) => value.id === id) : values[0]
        return one ? [{ field, ...one }] : []
      })
      if (what === 'link') return [op('link.policy-set', linkBody(tables, named, chosen), by.actor)]
      const said = Object.fromEntries(chosen.map(({ field, value }) => [field, value]))
      return projectId === null
        ? [op('user.profile-set', { user: named, ...said }, by.actor)]
        : [op('project.metadata-set', { project: projectId, metadata: said }, by.actor)]
    })
  }

  async #settleTag(loss: Loss, place: TagPlace, action: 'take' | 'keep', as: As): Promise<void> {
    const { projectId, path, tag, key } = place
    const by = as({ action: 'repository:push', on: 'project', project: projectId })
    const { journal } = this.#parts
    const { ids } = await journal.commit(CATALOG, (tables) => {
      by.permit(tables)
      const values = tables.get('tags', key)?.values ?? []
      const [winner] = values
      const loser = values.find((one) => one.id === loss.id)
      if (!winner || !loser || winner === loser) throw settled()
      const digest = action === 'take' ? loser.value : winner.value
      if (!isDigest(digest)) throw new Fault('PRECONDITION', 'the tag points at nothing that can be pulled')
      if (!tables.get('manifests', inRepository(`${projectId}/${path}`, digest))) {
        throw new Fault('PRECONDITION', 'the manifest has been deleted', { digest })
      }
      return [op('tag.moved', { projectId, path, tag, digest }, by.actor)]
    })
    // A rule on tags forbids it only once it is written.
    const refused = journal.tables.get('ineffective', `catalog/${ids[0]}`)
    if (refused) throw new Fault('PRECONDITION', refusalText(refused.reason))
  }

  async #approve(loss: Loss, name: string | undefined, as: As): Promise<void> {
    const op = opOf(this.#parts.journal.tables, loss)
    const wish = op && wishOf(op)
    if (!op || !wish || !FOR_WANT_OF_RIGHT.has(loss.reason)) {
      throw new Fault('PRECONDITION', `this can't be approved: ${refusalTextOf(loss)}`)
    }
    const user = bodyOf(op, 'user.created')
    if (user) return this.#makeUser(user, name ?? user.name, guarded(loss, as, userCreate, wish))
    const project = bodyOf(op, 'project.created')
    if (project) {
      const by = guarded(loss, as, { action: 'project:create', on: 'system' }, wish)
      return this.#makeProject(project, name ?? project.name, by)
    }
    if (name !== undefined) throw new Fault('BAD_REQUEST', 'only what is made anew is given a name')
    await this.#doAgain(op, (demand) => guarded(loss, as, demand, wish))
  }

  /** As it was asked for, the password with it; by its number it is known to be made. */
  async #makeUser(body: Body<'user.created'>, name: string, by: Acting): Promise<void> {
    if (!userName.safeParse(name).success) throw new Fault('BAD_REQUEST', 'that is no name for a user')
    await this.#parts.journal.commit(AUTHORITY, (tables) => {
      by.permit(tables)
      if (tables.get('claims', claimKey('user-name', name))) {
        throw new Fault('CONFLICT', `the user name ${name} is taken; give another`, { name })
      }
      return [op('user.created', { ...body, name }, by.actor)]
    })
  }

  /** Under its owner where that account lives, else under whoever approves. */
  async #makeProject(
    { owner, metadata, number }: Body<'project.created'>,
    name: string,
    by: Acting,
  ): Promise<void> {
    const { tables } = this.#parts.journal
    const owners = [owner, by.actor].filter((id) => tables.get('users', id)?.deleted === false)
    if (owners[0] === undefined) {
      throw new Fault('PRECONDITION', 'its owner is gone: approve it as a user, who becomes its owner')
    }
    await this.#parts.projects.create({ name, metadata: Object.entries(metadata), number }, owners[0], by)
  }

  #doAgain(op: Said, as: As): Promise<unknown> | undefined {
    return this.#ofUser(op, as) ?? this.#ofProject(op, as) ?? this.#ofMember(op, as) ?? this.#ofLink(op, as)
  }

  #ofUser(op: Said, as: As): Promise<void> | undefined {
    const { accounts } = this.#parts
    const profile = bodyOf(op, 'user.profile-set')
    if (profile) {
      const by = as({ action: 'user:update', on: 'user', user: profile.user })
      return accounts.setProfile(profile.user, profile, by)
    }
    const set = bodyOf(op, 'user.admin-set')
    if (set) {
      const by = as({ action: 'user:set-admin', on: 'user', user: set.user })
      return accounts.setAdmin(set.user, set.admin, by)
    }
    const deleted = bodyOf(op, 'user.deleted')
    return (
      deleted && accounts.delete(deleted.user, as({ action: 'user:delete', on: 'user', user: deleted.user }))
    )
  }

  #ofProject(op: Said, as: As): Promise<void> | undefined {
    const { projects } = this.#parts
    const settings = bodyOf(op, 'project.metadata-set')
    if (settings) {
      const by = as({ action: 'project:update', on: 'project', project: settings.project })
      return projects.update(settings.project, Object.entries(settings.metadata), by)
    }
    const deleted = bodyOf(op, 'project.deleted')
    if (!deleted) return undefined
    const by = as({ action: 'project:delete', on: 'project', project: deleted.project })
    return projects.delete(deleted.project, by)
  }

  #ofMember(op: Said, as: As): Promise<unknown> | undefined {
    const granted = bodyOf(op, 'member.granted')
    if (granted) return this.#grant(granted, as)
    const revoked = bodyOf(op, 'member.revoked')
    return revoked && this.#revoke(revoked, as)
  }

  async #ofLink(said: Said, as: As): Promise<void> {
    const body = bodyOf(said, 'link.policy-set')
    if (!body) return
    const by = as({ action: 'cluster:set-link', on: 'system' })
    await this.#parts.journal.commit(AUTHORITY, (tables) => {
      by.permit(tables)
      return [op('link.policy-set', body, by.actor)]
    })
  }

  async #grant({ project, user, role }: Body<'member.granted'>, as: As): Promise<void> {
    const { journal, members } = this.#parts
    if (membershipOf(journal.tables, project, user)) {
      const member = await this.#member(project, user)
      await members.setRole(project, member, role, as({ action: 'member:update', on: 'project', project }))
    } else await members.add(project, user, role, as({ action: 'member:create', on: 'project', project }))
  }

  async #revoke({ project, user }: Body<'member.revoked'>, as: As): Promise<void> {
    const by = as({ action: 'member:delete', on: 'project', project })
    await this.#parts.members.remove(project, await this.#member(project, user), by)
  }

  async #member(project: string, user: string): Promise<Member> {
    for await (const member of this.#parts.members.of(project)) if (member.userId === user) return member
    throw settled()
  }
}

const userCreate: Demand = { action: 'user:create', on: 'system' }

/** What filling in a user, a project or a link asks for. */
function demandFor(what: string | undefined, id: string): Demand {
  if (what === 'link') return { action: 'cluster:set-link', on: 'system' }
  return what === 'user'
    ? { action: 'user:update', on: 'user', user: id }
    : { action: 'project:update', on: 'project', project: id }
}

/** The values of these siblings once more, as they were written. */
function linkBody(
  tables: Readable,
  link: string,
  chosen: readonly { readonly field: string; readonly id: string }[],
): Body<'link.policy-set'> {
  const row = tables.get('linkPolicies', link)
  const said = LINK_FIELDS.flatMap((field) => {
    const from = chosen.find((one) => one.field === field)?.id
    const values: Register<number | string | boolean | null> = row?.[field] ?? []
    const one = values.find(({ id }) => id === from)
    return one ? [[field, one.value] as const] : []
  })
  return { link, ...Object.fromEntries(said) }
}

/** Whoever may do it may do it while it is still lost, and still to be had. */
function guarded(loss: Loss, as: As, demand: Demand, wish?: (tables: Readable) => boolean): Acting {
  const by = as(demand)
  return {
    actor: by.actor,
    permit(tables) {
      by.permit(tables)
      const listed = loss.listed === null ? undefined : tables.get('ineffective', loss.listed)
      const still =
        loss.reason === 'forked' ? tables.get('retracted', loss.id) : listed?.reason === loss.reason
      if (!still || wish?.(tables) === false) throw settled()
    },
  }
}

function refusalTextOf({ reason }: Loss): string {
  if (reason === 'dangling') return 'the tag points at nothing'
  if (reason === 'forked') return 'nothing says it again'
  return reason === 'tag' || reason === 'field' ? 'it has values to choose from' : refusalText(reason)
}

function settled(): Fault {
  return new Fault('CONFLICT', 'there is nothing left to mend: it has been settled meanwhile')
}

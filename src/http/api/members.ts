import { z } from 'zod'
import { Fault } from '../../errors.ts'
import type { Member } from '../../projects/members.ts'
import type { Project } from '../../projects/projects.ts'
import { onProject } from './gate.ts'
import { type List, listQuery, pageOf } from './list.ts'
import type { ApiParts } from './parts.ts'
import { one as project } from './projects.ts'
import { type Route, route } from './route.ts'
import { memberShape } from './shapes.ts'
import { API, number } from './users.ts'

const MEMBERS: List<Member> = {
  order: 'entity_name',
  fields: new Map([['entity_name', { type: 'text', of: (one) => one.userName }]]),
}

const one = project.extend({ mid: number })
const role = z.union([z.literal(1), z.literal(2), z.literal(3), z.literal(4), z.literal(5)])

export const memberRoutes: readonly Route[] = [
  route({
    method: 'GET',
    url: '/projects/:project/members',
    gate: onProject('member:list'),
    params: project,
    query: listQuery.omit({ q: true, sort: true }).extend({ entityname: z.string().default('') }),
    handle({ parts, target, query, url }) {
      const members = named(parts.members.of(target.id), query.entityname)
      const page = { ...query, q: '', sort: '' }
      return pageOf(members, MEMBERS, page, url, (member) => memberShape(member, target))
    },
  }),

  route({
    method: 'POST',
    url: '/projects/:project/members',
    gate: onProject('member:create'),
    params: project,
    body: z.strictObject({
      role_id: role,
      member_user: z.strictObject({ user_id: z.number().int().optional(), username: z.string().optional() }),
      member_group: z.null('groups are not in this version').optional(),
    }),
    async handle({ parts, params, target, body, by }) {
      const { user_id, username } = body.member_user
      const byName = username !== undefined && username !== ''
      const user = byName ? parts.accounts.byName(username) : parts.accounts.byNumber(user_id ?? 0)
      if (!user) throw new Fault('NOT_FOUND', 'there is no such user')
      const member = await parts.members.add(target.id, user.id, body.role_id, by)
      const location = `${API}/projects/${encodeURIComponent(params.project)}/members/${member.number}`
      return { status: 201, headers: { location } }
    },
  }),

  route({
    method: 'GET',
    url: '/projects/:project/members/:mid',
    gate: onProject('member:read'),
    params: one,
    async handle({ parts, params, target }) {
      return { status: 200, body: memberShape(await theMember(parts, target, params.mid), target) }
    },
  }),

  route({
    method: 'PUT',
    url: '/projects/:project/members/:mid',
    gate: onProject('member:update'),
    params: one,
    body: z.strictObject({ role_id: role }),
    async handle({ parts, params, target, body, by }) {
      const member = await theMember(parts, target, params.mid)
      await parts.members.setRole(target.id, member, body.role_id, by)
      return { status: 200 }
    },
  }),

  route({
    method: 'DELETE',
    url: '/projects/:project/members/:mid',
    gate: onProject('member:delete'),
    params: one,
    async handle({ parts, params, target, by }) {
      await parts.members.remove(target.id, await theMember(parts, target, params.mid), by)
      return { status: 200 }
    },
  }),
]

/** A member of this project; the same number in another one is nobody here. */
async function theMember(parts: ApiParts, target: Project, number: number): Promise<Member> {
  const member = await parts.members.find(target.id, number)
  if (!member) throw new Fault('NOT_FOUND', 'there is no such member')
  return member
}

async function* named(members: AsyncIterable<Member>, part: string): AsyncIterable<Member> {
  const wanted = part.toLowerCase()
  for await (const member of members) {
    if (member.userName.toLowerCase().includes(wanted)) yield member
  }
}

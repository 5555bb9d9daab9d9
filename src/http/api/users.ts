import { z } from 'zod'
import type { Account } from '../../access/accounts.ts'
import { Fault } from '../../errors.ts'
import { onSelf, onSystem, onUser } from './gate.ts'
import { type List, listQuery, pageOf } from './list.ts'
import { type Route, route } from './route.ts'
import { userShape } from './shapes.ts'

export const API = '/api/v2.0'

const USERS: List<Account> = {
  order: 'username',
  fields: new Map([
    ['user_id', { type: 'number', of: (one) => one.number }],
    ['username', { type: 'text', of: (one) => one.name }],
    ['email', { type: 'text', of: (one) => one.email }],
    ['realname', { type: 'text', of: (one) => one.realname }],
    ['sysadmin_flag', { type: 'flag', of: (one) => one.admin }],
    ['creation_time', { type: 'time', of: (one) => one.createdAt }],
    ['update_time', { type: 'time', of: (one) => one.updatedAt }],
  ]),
}

export const number = z
  .string()
  .regex(/^[1-9]\d{0,9}$/, 'must be a positive number')
  .transform(Number)
const one = z.strictObject({ user_id: number })

const line = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^\P{Cc}*$/u, 'may not hold control characters')
const profile = {
  email: z.union([z.literal(''), z.email().max(255)]).optional(),
  realname: line(255).optional(),
  comment: line(1024).optional(),
}

export const userRoutes: readonly Route[] = [
  route({
    method: 'GET',
    url: '/users',
    gate: onSystem('user:list'),
    query: listQuery.extend({ username: z.string().optional(), email: z.string().optional() }),
    handle({ parts, query, url }) {
      const { username, email } = query
      return pageOf(containing(parts.accounts.all(), { username, email }), USERS, query, url, userShape)
    },
  }),

  route({
    method: 'POST',
    url: '/users',
    gate: onSystem('user:create'),
    body: z.strictObject({
      username: z.string(),
      password: z.string(),
      ...profile,
      // Old clients' and Terraform's way to make an administrator; this route is for administrators alone.
      has_admin_role: z.boolean().optional(),
      sysadmin_flag: z.boolean().optional(),
    }),
    async handle({ parts, body, by }) {
      const { username: name, password, email, realname, comment } = body
      const admin = body.has_admin_role === true || body.sysadmin_flag === true
      const account = await parts.accounts.create({ name, password, email, realname, comment, admin }, by)
      return { status: 201, headers: { location: `${API}/users/${account.number}` } }
    },
  }),

  route({
    method: 'GET',
    url: '/users/current',
    gate: onSelf,
    handle: ({ target }) => ({ status: 200, body: userShape(target) }),
  }),

  route({
    method: 'GET',
    url: '/users/search',
    gate: onSystem('user:search'),
    query: listQuery.omit({ q: true, sort: true }).extend({ username: z.string().min(1) }),
    handle({ parts, query, url }) {
      const { username } = query
      return pageOf(
        containing(parts.accounts.all(), { username }),
        USERS,
        { ...query, q: '', sort: '' },
        url,
        (account) => ({ user_id: account.number, username: account.name }),
      )
    },
  }),

  route({
    method: 'GET',
    url: '/users/:user_id',
    gate: onUser('user:read'),
    params: one,
    handle: ({ target }) => ({ status: 200, body: userShape(target) }),
  }),

  route({
    method: 'PUT',
    url: '/users/:user_id',
    gate: onUser('user:update'),
    params: one,
    body: z.strictObject(profile),
    async handle({ parts, target, body, by }) {
      await parts.accounts.setProfile(target.id, body, by)
      return { status: 200 }
    },
  }),

  route({
    method: 'DELETE',
    url: '/users/:user_id',
    gate: onUser('user:delete'),
    params: one,
    async handle({ parts, target, by }) {
      await parts.accounts.delete(target.id, by)
      return { status: 200 }
    },
  }),

  route({
    method: 'PUT',
    url: '/users/:user_id/password',
    gate: onUser('user:set-password'),
    params: one,
    body: z.strictObject({ old_password: z.string().optional(), new_password: z.string() }),
    async handle({ parts, principal, target, body, by, source }) {
      const self = principal.kind === 'user' && principal.id === target.id
      const old = { name: target.name, password: body.old_password ?? '' }
      const known = self ? await parts.logins.check(old, source) : undefined
      if (self && known?.id !== target.id) throw new Fault('FORBIDDEN', 'the current password is wrong')
      await parts.accounts.setPassword(target.id, body.new_password, by, known?.password.id)
      return { status: 200 }
    },
  }),

  route({
    method: 'PUT',
    url: '/users/:user_id/sysadmin',
    gate: onUser('user:set-admin'),
    params: one,
    body: z.strictObject({ sysadmin_flag: z.boolean() }),
    async handle({ parts, target, body, by }) {
      await parts.accounts.setAdmin(target.id, body.sysadmin_flag, by)
      return { status: 200 }
    },
  }),
]

/** Harbor's older way to search, beside `q`. */
async function* containing(
  accounts: AsyncIterable<Account>,
  { username = '', email = '' }: { username?: string | undefined; email?: string | undefined },
): AsyncIterable<Account> {
  const [name, mail] = [username.toLowerCase(), email.toLowerCase()]
  for await (const account of accounts) {
    if (account.name.toLowerCase().includes(name) && account.email.toLowerCase().includes(mail)) yield account
  }
}

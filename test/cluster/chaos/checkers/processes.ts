import type { Kind } from '../history.ts'
import { SEED_ADMIN } from './certainty.ts'
import type { Checker } from './check.ts'

/** No process ends but by the nemesis, and none complains of itself. */
export const noCrashes: Checker = (_calls, { crashes, logLines }) => [
  ...crashes.map(({ node, how }) => ({
    promise: 'no node ends by itself',
    what: `${node} ended: ${how}`,
    calls: [],
  })),
  ...logLines.map(({ node, line }) => ({
    promise: 'no node complains of itself',
    what: `${node}: ${line.slice(0, 400)}`,
    calls: [],
  })),
]

/** Answers that say "not now" or "no room"; every other 5xx is a defect. */
const HONEST: ReadonlySet<number> = new Set([503, 507])
/** What asks for nothing that may be gone: to be refused here is to have lost the right itself. */
const OPEN_TO_ADMIN: ReadonlySet<Kind> = new Set([
  'user.create',
  'user.delete',
  'admin.set',
  'project.create',
  'list.users',
])

export function isHonest(status: number): boolean {
  return status < 500 || HONEST.has(status)
}

export const noDefects: Checker = (calls) =>
  calls.flatMap((call) => {
    const { status = 0, op, node, error = '' } = call
    if (isHonest(status)) return []
    return [
      {
        promise: 'no answer is a defect',
        what: `${node} answered ${status} to ${op.kind}: ${error}`,
        calls: [call.id],
      },
    ]
  })

/** The administrator of these tests never loses anything, so no node has a reason to turn that account away. */
export const rightsAreKept: Checker = (calls) =>
  calls.flatMap((call) => {
    const { op, node, status, bearer } = call
    if (op.actor !== SEED_ADMIN || bearer) return []
    if (status !== 401 && !(status === 403 && OPEN_TO_ADMIN.has(op.kind))) return []
    return [
      {
        promise: 'who keeps a right is served',
        what: `${node} answered ${status} to the administrator’s ${op.kind}`,
        calls: [call.id],
      },
    ]
  })

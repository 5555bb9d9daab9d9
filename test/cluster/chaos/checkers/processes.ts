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

export const noDefects: Checker = (calls) =>
  calls.flatMap((call) => {
    const { status = 0, op, node, error } = call
    if (status < 500 || HONEST.has(status)) return []
    return [
      {
        promise: 'no answer is a defect',
        what: `${node} answered ${status} to ${op.kind}: ${error ?? ''}`,
        calls: [call.id],
      },
    ]
  })

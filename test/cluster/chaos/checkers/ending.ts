import type { Checker } from './check.ts'

/** Within this the nodes agree and take writes again, RELIABILITY 5.3. */
export const PATIENCE_MS = 30_000

/** I3: nodes that are connected and quiet have one state, which is that of the reference reducer. */
export const agreed: Checker = (_calls, { agreement, reference }) => {
  const promise = 'I3 one state everywhere'
  const hashes = Object.entries(agreement.hashes).map(([node, hash]) => `${node} ${hash?.slice(0, 12)}`)
  const differ = !agreement.agreed || new Set(Object.values(agreement.hashes)).size !== 1
  const other = reference && reference.hash !== reference.expected
  return [
    ...(differ
      ? [{ promise, what: `after ${agreement.milliseconds} ms: ${hashes.join(', ')}`, calls: [] }]
      : []),
    ...(other
      ? [
          {
            promise,
            what: `${reference.node} says ${reference.expected}, the reference reducer ${reference.hash}`,
            calls: [],
          },
        ]
      : []),
  ]
}

/** I10: when the faults are over, every node takes a write, and every node serves it. */
export const writableAgain: Checker = (_calls, { writes }) =>
  writes.flatMap(({ node, acknowledgedMs, reachedMs, missing }) => {
    const promise = 'I10 writable again'
    if (acknowledgedMs === undefined || acknowledgedMs > PATIENCE_MS)
      return [{ promise, what: `${node} took no write within ${PATIENCE_MS} ms`, calls: [] }]
    if (reachedMs === undefined || reachedMs - acknowledgedMs > PATIENCE_MS)
      return [{ promise, what: `a write at ${node} did not reach ${missing.join(', ')}`, calls: [] }]
    return []
  })

/** I12: somebody is left who may do everything. */
export const oneAdminLeft: Checker = (_calls, { adminsAfterDuel }) =>
  adminsAfterDuel?.length === 0
    ? [
        {
          promise: 'I12 one administrator is left',
          what: 'two sites took the right from each other’s administrator, and none is left',
          calls: [],
        },
      ]
    : []

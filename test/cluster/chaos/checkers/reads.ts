import type { Call } from '../history.ts'
import { possible } from './certainty.ts'
import type { Checker, Violation } from './check.ts'
import { mayBeDeleted } from './pushes.ts'

const PROMISE = 'I13 reads do not go back'

/** I13: what a node has shown it goes on showing, or something newer; tags are pushed to a digest once only. */
export const monotoneReads: Checker = (calls) => [...tags(calls), ...manifests(calls)]

function tags(calls: readonly Call[]): Violation[] {
  const violations: Violation[] = []
  for (const seen of grouped(calls, ({ op, outcome }) =>
    outcome === 'ok' && op.tag !== undefined && (op.kind === 'read.tag' || op.kind === 'push')
      ? [op.repository, op.tag]
      : undefined,
  )) {
    /** Digest -> the first time it was shown, and when something else had been shown after that. */
    const shown = new Map<string, { end: number; superseded?: Call }>()
    for (const call of seen.toSorted((a, b) => a.end - b.end)) {
      const value = call.op.kind === 'push' ? call.op.digest : call.digest
      const before = shown.get(value ?? '')
      const newer = before?.superseded
      if (newer && call.op.kind === 'read.tag' && call.start > newer.end && !wasDeleted(calls, call)) {
        violations.push({
          promise: PROMISE,
          what: `${call.node} showed ${call.op.repository}:${call.op.tag} as ${value} again after ${newer.op.digest ?? newer.digest}`,
          calls: [newer.id, call.id],
        })
      }
      if (!before) {
        for (const [, other] of shown) if (other.end < call.start) other.superseded ??= call
        shown.set(value ?? '', { end: call.end })
      }
    }
  }
  return violations
}

/** A deletion takes away what stood before others: what it had not seen shows again. */
function wasDeleted(calls: readonly Call[], read: Call): boolean {
  return calls.some(
    (call) =>
      possible(call) &&
      call.start < read.end &&
      (call.op.kind === 'tag.delete' || call.op.kind === 'manifest.delete') &&
      call.op.repository === read.op.repository,
  )
}

function manifests(calls: readonly Call[]): Violation[] {
  const violations: Violation[] = []
  for (const seen of grouped(calls, ({ op }) =>
    op.kind === 'read.manifest' && op.actor === 'admin' ? [op.repository, op.digest] : undefined,
  )) {
    const first = seen.filter(({ outcome }) => outcome === 'ok').toSorted((a, b) => a.end - b.end)[0]
    if (!first) continue
    for (const call of seen) {
      if (call.start < first.end || call.status !== 404 || mayBeDeleted(calls, call, call.end)) continue
      violations.push({
        promise: PROMISE,
        what: `${call.node} has shown ${call.op.repository}@${call.op.digest}, and then not`,
        calls: [first.id, call.id],
      })
    }
  }
  return violations
}

function grouped(
  calls: readonly Call[],
  key: (call: Call) => readonly (string | undefined)[] | undefined,
): Call[][] {
  const groups = Map.groupBy(calls, (call) => {
    const parts = key(call)
    return parts && [call.node, ...parts].join(' ')
  })
  return [...groups].filter(([group]) => group !== undefined).map(([, group]) => group)
}

import { byDepthThenId, hasSeen, type Op } from '../../../src/journal/op.ts'
import type { Register, Sibling } from '../../../src/journal/rows.ts'

/** A value some op wrote; undefined where it only took away what it had seen. */
export interface Written<T> {
  readonly op: Op
  readonly value: { readonly of: T } | undefined
}

export function write<T>(op: Op, value: T): Written<T> {
  return { op, value: { of: value } }
}

export function erasure<T>(op: Op): Written<T> {
  return { op, value: undefined }
}

/** The values no other of these writes had seen. */
export function register<T>(writes: readonly Written<T>[]): Register<T> {
  const living: Sibling<T>[] = []
  for (const { op, value } of writes) {
    if (value === undefined || writes.some((other) => hasSeen(other.op, op.dot))) continue
    const { id, dot, depth, actor, time } = op
    living.push({ id, dot, depth, actor, time, value: value.of })
  }
  return living.sort((a, b) => byDepthThenId(b, a))
}

import { z } from 'zod'
import { isDigest } from '../../oci/digest.ts'
import { parseFeedId } from '../op.ts'

/** What bodies are made of. */

/** Ids are op ids, so a body can only name what an op once made. */
export const id = z.string().regex(/^[A-Za-z0-9_-]{22}$/)
export const nodeId = z.string().regex(/^[A-Za-z0-9]{20,100}$/)
/** Harbor's ids: positive 31-bit numbers. */
export const number = z
  .number()
  .int()
  .min(1)
  .max(2 ** 31 - 1)
export const count = z.number().int().min(0).max(Number.MAX_SAFE_INTEGER)
export const bytes = z.custom<Uint8Array>((value) => value instanceof Uint8Array)
export const digest = z.string().refine(isDigest, 'not a digest')
/** No control characters: records are shown to people and written to logs at other sites. */
export const line = (max: number) =>
  z
    .string()
    .max(max)
    .regex(/^[^\p{Cc}]*$/u)
export const tenant = z.string().regex(/^[a-z0-9-]{1,64}$/)
/** Harbor's role ids. */
export const role = z.union([z.literal(1), z.literal(2), z.literal(3), z.literal(4), z.literal(5)])

export const projectName = z
  .string()
  .min(1)
  .max(255)
  .regex(/^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*$/, 'lower-case letters and digits, separated by . _ or -')

export const repository = {
  projectId: id,
  /** The path below the project. */
  path: z
    .string()
    .min(1)
    .max(255)
    .regex(/^[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:\/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*$/),
}
export const tag = z.string().regex(/^[a-zA-Z0-9_][a-zA-Z0-9._-]{0,127}$/)

/** How far feeds are meant: up to and including that entry. Bounded by the cluster's size, 500 nodes with a few feeds. */
export const frontier = z
  .record(
    z.string().max(200),
    z
      .number()
      .int()
      .min(1)
      .max(2 ** 48),
  )
  .refine((value) => Object.keys(value).length <= 2000 && Object.keys(value).every(isFeedId), 'no frontier')

function isFeedId(text: string): boolean {
  try {
    parseFeedId(text)
    return true
  } catch {
    return false
  }
}

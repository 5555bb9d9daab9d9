import { assert, integer, nat, property, string } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nextLink } from '../../../src/http/oci/paging.ts'
import { parsePath } from '../../../src/http/oci/path.ts'
import { parseContentRange, parseRange, receivedRange } from '../../../src/http/oci/range.ts'

describe('a Range header', () => {
  it('never gives a part that is not in the blob', () => {
    assert(
      property(nat(), string(), nat(), nat(), (size, junk, first, last) => {
        for (const header of [
          junk,
          `bytes=${junk}`,
          `bytes=${first}-${last}`,
          `bytes=-${last}`,
          `bytes=${first}-`,
        ]) {
          const range = parseRange(header, size)
          if (range === undefined || range === 'unsatisfiable') continue
          expect(range.first).toBeGreaterThanOrEqual(0)
          expect(range.last).toBeGreaterThanOrEqual(range.first)
          expect(range.last).toBeLessThan(size)
        }
      }),
    )
  })

  it('that starts inside and goes beyond ends with the blob', () => {
    assert(
      property(integer({ min: 1, max: 1_000_000 }), nat(), nat(), (size, at, more) => {
        const first = at % size
        expect(parseRange(`bytes=${first}-${size + more}`, size)).toEqual({ first, last: size - 1 })
      }),
    )
  })
})

describe('the Content-Range of a chunk', () => {
  it.each(['0-99', 'bytes 0-99/*', 'bytes 0-99/1000', 'bytes=0-99', ' 0-99 '])('%j is read', (header) => {
    expect(parseContentRange(header)).toEqual({ first: 0, last: 99 })
  })

  it.each(['', '-', '1-', '-1', '2-1', '0x0-0x9', '1.5-2', '0-99/x', '9007199254740990-9007199254740993'])(
    '%j is refused',
    (header) => {
      expect(parseContentRange(header)).toBeUndefined()
    },
  )

  it('of what was received counts as the specification does', () => {
    expect([0, 1, 2, 1000].map(receivedRange)).toEqual(['0-0', '0-0', '0-1', '0-999'])
  })
})

describe('a path', () => {
  it.each([
    ['a/b/blobs/sha256:x', 'a/b', 'blobs', 'sha256:x'],
    ['a/blobs/uploads/', 'a', 'uploads', ''],
    ['a/blobs/uploads', 'a', 'uploads', ''],
    ['a/blobs/uploads/id', 'a', 'uploads', 'id'],
    ['a/manifests/manifests/manifests', 'a/manifests', 'manifests', 'manifests'],
    ['a/blobs/uploads/blobs/uploads/id', 'a/blobs/uploads', 'uploads', 'id'],
    ['a/tags/list', 'a', 'tags', 'list'],
  ])('%s means the last word that names a kind', (path, name, kind, rest) => {
    expect(parsePath(path)).toEqual({ name, kind, rest })
  })

  it.each(['', 'a', 'a/b', 'blobs/x', '/blobs/', 'a/blobs/x/y'])('%j means nothing', (path) => {
    expect(parsePath(path)).toSatisfy(
      (target) => target === undefined || (target as { name: string }).name === '',
    )
  })

  it('that leads to the next page is encoded', () => {
    const link = nextLink('/v2/a/referrers/x', 'last one', {
      n: 5,
      artifactType: 'application/spdx+json',
      none: undefined,
    })
    expect(link).toBe(
      '</v2/a/referrers/x?n=5&artifactType=application%2Fspdx%2Bjson&last=last+one>; rel="next"',
    )
  })
})

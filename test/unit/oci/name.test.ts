import { describe, expect, it } from 'vitest'
import { isFault } from '../../../src/errors.ts'
import { isRepositoryName, parseRepositoryName } from '../../../src/oci/name.ts'
import { parseReference, parseTag } from '../../../src/oci/reference.ts'

describe('a repository name', () => {
  it.each([
    'a',
    'library/alpine',
    'a/b/c/d/e/f/g/h',
    'team.one/my__app/x-y---z',
    '0/1',
    'a/blobs/uploads/manifests',
    'a'.repeat(255),
    `${'a/'.repeat(127)}b`,
  ])('%s is one', (name) => {
    expect(parseRepositoryName(name)).toBe(name)
  })

  it.each([
    ['empty', ''],
    ['upper case', 'Library/alpine'],
    ['leading slash', '/a'],
    ['trailing slash', 'a/'],
    ['empty segment', 'a//b'],
    ['parent directory', 'a/../b'],
    ['only dots', '..'],
    ['single dot segment', 'a/./b'],
    ['NUL', 'a\0b'],
    ['newline at the end', 'a/b\n'],
    ['backslash', 'a\\b'],
    ['three underscores', 'a___b'],
    ['two periods', 'a..b'],
    ['separator at the end', 'a/b-'],
    ['separator at the start', 'a/-b'],
    ['letters beyond ASCII', 'a/ü'],
    ['256 characters', 'a'.repeat(256)],
    ['percent sign', 'a%2fb'],
  ])('%s is none', (_, name) => {
    expect(isRepositoryName(name)).toBe(false)
  })

  it('is refused with what was wrong in the fault, but no control character', () => {
    expect(() => parseRepositoryName('a\0b')).toThrow(
      expect.toSatisfy((error) => isFault(error, 'NAME_INVALID') && error.facts['name'] === 'a\uFFFDb'),
    )
  })

  it('is decided in linear time, however hostile', () => {
    const hostile = `${'a-'.repeat(120)}!`
    // A backtracking expression would not come back within the test's own limit.
    for (let round = 0; round < 10_000; round++) expect(isRepositoryName(hostile)).toBe(false)
  })
})

describe('a reference', () => {
  it.each(['latest', 'v1.2.3', '_x', 'A', 'a'.repeat(128)])('%s is a tag', (tag) => {
    expect(parseReference(tag)).toEqual({ tag })
  })

  it.each(['', '.x', '-x', 'a'.repeat(129), 'a/b', 'a b', 'a\0', 'ü'])('%j is no tag', (tag) => {
    expect(() => parseTag(tag)).toThrow(expect.objectContaining({ code: 'TAG_INVALID' }))
  })

  it('with a colon is a digest or nothing', () => {
    const digest = `sha256:${'0'.repeat(64)}`
    expect(parseReference(digest)).toEqual({ digest })
    expect(parseReference(`sha512:${'f'.repeat(128)}`)).toHaveProperty('digest')
    for (const bad of [
      'sha256:baddigeststring',
      `sha256:${'0'.repeat(63)}`,
      `sha256:${'0'.repeat(65)}`,
      `sha256:${'A'.repeat(64)}`,
      `md5:${'0'.repeat(32)}`,
      `sha512:${'0'.repeat(64)}`,
      `sha256:../${'0'.repeat(61)}`,
    ]) {
      expect(() => parseReference(bad)).toThrow(expect.objectContaining({ code: 'DIGEST_INVALID' }))
    }
  })
})

import { execFileSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import ts from 'typescript'
import { describe, expect, test } from 'vitest'
import { missingOptionalPackages } from '../scripts/complete-lockfile.ts'

const root = dirname(import.meta.dirname)

/** What is tracked or about to be. */
const files = execFileSync('git', ['ls-files', '--cached', '--others', '--exclude-standard'], { cwd: root })
  .toString()
  .split('\n')
  .filter((file) => file !== '' && existsSync(join(root, file)))
const code = files.filter((file) => /\.(ts|tsx|js|mjs)$/.test(file) && !file.startsWith('stubs/'))
/** The product itself: scripts and tests may look at the clock, the portal has only the browser's. */
const product = code.filter((file) => /^(src|cluster)\//.test(file) && !file.startsWith('src/portal/'))

const LINES_MAX = 400
const BANNED_NAMES = /(^|[-./])(utils?|helpers?|common|managers?|misc)([-./]|$)/

/** A name that reaches for the real clock, chance or timers, and what to take instead. */
const INSTEAD: Readonly<Record<string, string>> = {
  'Date.now': 'Clock.now',
  'new Date()': 'Clock.now',
  'performance.now': 'Clock.monotonic',
  'Math.random': 'Random',
  setTimeout: 'Timers.after or Timers.sleep',
  setInterval: 'Timers.sleep in a loop',
  setImmediate: 'Timers',
  'node:timers/promises': 'Timers.sleep',
  'timers/promises': 'Timers.sleep',
}

/** `line: name` of everything in `text` that INSTEAD lists. */
function reaches(text: string): string[] {
  const source = ts.createSourceFile('x.ts', text, ts.ScriptTarget.Latest, true)
  const found: string[] = []
  const visit = (node: ts.Node): void => {
    const name = nameOf(node)
    if (name !== undefined && Object.hasOwn(INSTEAD, name)) {
      found.push(`${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}: ${name}`)
    }
    ts.forEachChild(node, visit)
  }
  visit(source)
  return found
}

function nameOf(node: ts.Node): string | undefined {
  if (ts.isPropertyAccessExpression(node)) return node.getText()
  if (ts.isNewExpression(node))
    return node.arguments?.length ? undefined : `new ${node.expression.getText()}()`
  if (ts.isCallExpression(node) && ts.isIdentifier(node.expression)) return node.expression.text
  if (ts.isImportDeclaration(node) && ts.isStringLiteral(node.moduleSpecifier))
    return node.moduleSpecifier.text
  return undefined
}

function matching(paths: readonly string[], pattern: RegExp): string[] {
  return paths.flatMap((file) =>
    readFileSync(join(root, file), 'utf8')
      .split('\n')
      .flatMap((line, index) => (pattern.test(line) ? [`${file}:${index + 1}`] : [])),
  )
}

describe('time and chance come in by hand', () => {
  test('nothing outside src/runtime reaches for the real ones', () => {
    const reaching = product
      .filter((file) => !file.startsWith('src/runtime/'))
      .flatMap((file) => reaches(readFileSync(join(root, file), 'utf8')).map((what) => `${file}:${what}`))
    expect(reaching).toEqual([])
  })

  test.each([
    ['const t = Date.now()', '1: Date.now'],
    ['\nnew Date()', '2: new Date()'],
    ['setTimeout(f, 1)', '1: setTimeout'],
    ["import { setTimeout } from 'node:timers/promises'", '1: node:timers/promises'],
  ])('%j is seen', (text, expected) => {
    expect(reaches(text)).toEqual([expected])
  })

  test('a comment, a string and a date that is given are none', () => {
    expect(reaches("// Date.now()\nconst s = 'Math.random'\nnew Date(0)\nobject.setTimeout(1)")).toEqual([])
  })
})

describe('files', () => {
  test('no file is longer than one idea', () => {
    const long = code.map(
      (file) => [file, readFileSync(join(root, file), 'utf8').split('\n').length - 1] as const,
    )
    expect(long.filter(([, lines]) => lines > LINES_MAX)).toEqual([])
  })

  test('no name says nothing', () => {
    expect(code.filter((file) => BANNED_NAMES.test(file))).toEqual([])
    expect(BANNED_NAMES.test('src/http/utils.ts') && BANNED_NAMES.test('cluster/peer-manager.ts')).toBe(true)
    expect(BANNED_NAMES.test('src/utility-belt.ts')).toBe(false)
  })

  test('no file names the place it was written at', () => {
    const places = [root, homedir()].filter((place) => place.length > 1).map((place) => `${place}/`)
    const pattern = new RegExp(
      places.map((place) => place.replaceAll(/[.*+?^${}()|[\]\\]/g, '\\$&')).join('|'),
    )
    const texts = files.filter((file) => !/\.(png|jpg|ico|woff2?)$/.test(file))
    expect(matching(texts, pattern)).toEqual([])
  })
})

describe('code', () => {
  test('nothing is of type any', () => {
    const untyped = code
      .filter((file) => file.endsWith('.ts'))
      .flatMap((file) => {
        const source = ts.createSourceFile(
          file,
          readFileSync(join(root, file), 'utf8'),
          ts.ScriptTarget.Latest,
          true,
        )
        const found: string[] = []
        const visit = (node: ts.Node): void => {
          if (node.kind === ts.SyntaxKind.AnyKeyword) {
            found.push(`${file}:${source.getLineAndCharacterOfPosition(node.getStart()).line + 1}`)
          }
          ts.forEachChild(node, visit)
        }
        visit(source)
        return found
      })
    expect(untyped).toEqual([])
  })

  test('only the command line writes to the console', () => {
    expect(
      matching(
        product.filter((file) => !file.startsWith('src/cli/')),
        /\bconsole\.\w+\(/,
      ),
    ).toEqual([])
  })
})

test('the lockfile holds every platform, so that `npm ci` works on all of them', () => {
  const lock: Parameters<typeof missingOptionalPackages>[0] = JSON.parse(
    readFileSync(join(root, 'package-lock.json'), 'utf8'),
  )
  expect(Object.keys(missingOptionalPackages(lock)), 'run `node scripts/complete-lockfile.ts`').toEqual([])
  const cut = structuredClone(lock)
  delete cut.packages['node_modules/@oxlint/binding-darwin-arm64']
  expect(Object.keys(missingOptionalPackages(cut))).toEqual(['node_modules/@oxlint/binding-darwin-arm64'])
})

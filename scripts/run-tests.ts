/**
 * All checks, then all tests. Ends with `tests: N passed, N failed, N skipped` over all suites, whatever
 * happened before; a check that fails counts as one that failed.
 */
import { spawn } from 'node:child_process'
import { mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'

/** What of vitest's JSON report is counted. */
interface Report {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly numTodoTests: number
  readonly testResults: readonly { readonly status: string; readonly assertionResults: readonly unknown[] }[]
}

const root = dirname(import.meta.dirname)
/** As `npm run check` has them; its last step, the house tests, runs with all the others. */
const CHECKS = ['check:types', 'check:lint', 'check:format', 'check:unused']

async function run(command: string, words: readonly string[]): Promise<number> {
  const child = spawn(command, words, { cwd: root, stdio: ['ignore', 'inherit', 'inherit'] })
  return new Promise((resolve) => {
    child.on('error', () => resolve(127))
    child.on('exit', (code) => resolve(code ?? 128))
  })
}

async function runChecks(): Promise<number> {
  let failed = 0
  for (const check of CHECKS) {
    process.stderr.write(`\n== ${check}\n`)
    if ((await run('npm', ['run', '--silent', check])) !== 0) failed++
  }
  return failed
}

async function runTests(
  words: readonly string[],
): Promise<{ passed: number; failed: number; skipped: number }> {
  const file = join(root, '.flotilla/test/report.json')
  mkdirSync(dirname(file), { recursive: true })
  rmSync(file, { force: true })
  process.stderr.write('\n== tests\n')
  const code = await run('vitest', [
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${file}`,
    ...words,
  ])
  const report = readReport(file)
  // A file that could not even be loaded has no tests to count, and is a failure nevertheless.
  const broken = report.testResults.filter(
    ({ status, assertionResults }) => status === 'failed' && assertionResults.length === 0,
  ).length
  const failed = report.numFailedTests + broken
  return {
    passed: report.numPassedTests,
    failed: code === 0 ? failed : Math.max(failed, 1),
    skipped: report.numPendingTests + report.numTodoTests,
  }
}

function readReport(file: string): Report {
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as Report
  } catch {
    process.stderr.write('vitest left no report\n')
    return { numPassedTests: 0, numFailedTests: 0, numPendingTests: 0, numTodoTests: 0, testResults: [] }
  }
}

const words = process.argv.slice(2)
const failedChecks = await runChecks()
const tests = await runTests(words)
const failed = failedChecks + tests.failed
process.exitCode = failed === 0 ? 0 : 1
if (failedChecks > 0) process.stderr.write(`\n${failedChecks} of ${CHECKS.length} checks failed; see above\n`)
process.stdout.write(`\ntests: ${tests.passed} passed, ${failed} failed, ${tests.skipped} skipped\n`)

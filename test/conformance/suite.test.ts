import { execFile } from 'node:child_process'
import { access, constants, readFile } from 'node:fs/promises'
import { delimiter, join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { temporaryDirectory } from '../support/disk.ts'
import { startRegistry } from '../support/registry.ts'

/** The program of opencontainers/distribution-spec/conformance, as FLOTILLA_CONFORMANCE_BIN or on the PATH. */
async function findSuite(): Promise<string | undefined> {
  const named = process.env['FLOTILLA_CONFORMANCE_BIN']
  const directories = (process.env['PATH'] ?? '').split(delimiter)
  const onPath = ['oci-conformance', 'conformance'].flatMap((name) => directories.map((at) => join(at, name)))
  for (const file of named === undefined ? onPath : [named]) {
    const runs = await access(file, constants.X_OK).then(
      () => true,
      () => false,
    )
    if (runs) return file
  }
  return undefined
}

function run(file: string, environment: Record<string, string>): Promise<{ code: number; output: string }> {
  return new Promise((resolve) => {
    execFile(file, { env: environment, timeout: 120_000, maxBuffer: 64 * 1024 * 1024 }, (error, out, err) => {
      const code = error ? (typeof error.code === 'number' ? error.code : 1) : 0
      resolve({ code, output: `${out}${err}` })
    })
  })
}

const suite = await findSuite()
if (!suite && process.env['CI'] === undefined) {
  process.stderr.write(
    '\nSKIPPED: the OCI conformance suite is not here. Build it with\n' +
      '  go install github.com/opencontainers/distribution-spec/conformance@latest\n' +
      'and set FLOTILLA_CONFORMANCE_BIN or put it on the PATH. Under CI=true this is a failure.\n\n',
  )
}

describe('the conformance suite of the OCI distribution specification', () => {
  // Under CI the suite must be there: the test then fails on its absence.
  it.skipIf(!suite && process.env['CI'] === undefined).each(['1.1', 'dev'])(
    'finds nothing to complain about (version %s)',
    { timeout: 150_000 },
    async (version) => {
      expect(suite, 'FLOTILLA_CONFORMANCE_BIN is to name the conformance program').toBeDefined()
      const registry = await startRegistry({ projects: ['conformance'] })
      const results = await temporaryDirectory()
      try {
        const { code, output } = await run(suite ?? '', {
          OCI_REGISTRY: `127.0.0.1:${registry.port}`,
          OCI_TLS: 'disabled',
          OCI_VERSION: version,
          OCI_REPO1: 'conformance/repo1',
          OCI_REPO2: 'conformance/nested/repo2',
          OCI_USERNAME: 'tester',
          OCI_PASSWORD: 'secret',
          OCI_RESULTS_DIR: results.path,
        })
        expect({ code, output: output.slice(-4000) }).toMatchObject({ code: 0 })
        const report = await readFile(join(results.path, 'junit.xml'), 'utf8')
        const [, tests] = /tests="(\d+)"/.exec(report) ?? []
        expect(Number(tests)).toBeGreaterThan(800)
        expect(report).toMatch(/failures="0"/)
        expect(report).not.toMatch(/<failure/)
      } finally {
        await results.remove()
        await registry.close()
      }
    },
  )
})

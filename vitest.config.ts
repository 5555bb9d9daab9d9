import { availableParallelism } from 'node:os'
import { defineConfig } from 'vitest/config'

const SECOND = 1000

/** One project per kind of test; `vitest run --project unit` runs one of them. */
function project(
  name: string,
  include: string[],
  limits: { test: number; hook: number; after?: number; together?: boolean },
) {
  return {
    test: {
      name,
      include,
      testTimeout: limits.test,
      // What is waited for comes late on a busy machine; what never comes fails all the same.
      expect: { poll: { timeout: 10 * SECOND } },
      hookTimeout: limits.hook,
      // Processes, sockets and native modules are real: a fresh process per file keeps them apart.
      pool: 'forks' as const,
      fileParallelism: limits.after === undefined || limits.together === true,
      sequence: { groupOrder: limits.after ?? 0 },
    },
  }
}

export default defineConfig({
  test: {
    passWithNoTests: true,
    // One core less than there are is one worker on a machine of two, and half of the time is spent waiting.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    projects: [
      project('unit', ['test/*.test.ts', 'test/unit/**/*.test.ts'], { test: 20 * SECOND, hook: 30 * SECOND }),
      project('contract', ['test/contract/**/*.test.ts'], { test: 30 * SECOND, hook: 30 * SECOND }),
      project('simulation', ['test/simulation/**/*.test.ts'], { test: 60 * SECOND, hook: 30 * SECOND }),
      // From here on whole nodes and real clients run; two suites at once would measure each other.
      project('conformance', ['test/conformance/**/*.test.ts'], {
        test: 180 * SECOND,
        hook: 120 * SECOND,
        after: 1,
      }),
      project('security', ['test/security/**/*.test.ts'], {
        test: 60 * SECOND,
        hook: 60 * SECOND,
        after: 2,
      }),
      project('crash', ['test/crash/**/*.test.ts'], { test: 120 * SECOND, hook: 60 * SECOND, after: 3 }),
      project('cluster', ['test/cluster/**/*.test.ts'], {
        test: 180 * SECOND,
        hook: 120 * SECOND,
        after: 4,
        // They wait for each other's nodes more than they compute.
        together: true,
      }),
    ],
  },
})

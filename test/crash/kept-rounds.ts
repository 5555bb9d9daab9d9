import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFileSync, mkdirSync, readFileSync, rmSync } from 'node:fs'
import { dirname, join } from 'node:path'
import type { Kept } from './tally.ts'

const ROOT = join(import.meta.dirname, '../..')

/** The rounds that held, of one state of the sources and one seed: a long run goes on where it was cut short. */
export class KeptRounds {
  readonly path: string

  constructor(seed: number) {
    this.path = join(ROOT, '.flotilla', 'crash', `${sources()}-${seed}.jsonl`)
  }

  read(): Kept[] {
    try {
      const lines = readFileSync(this.path, 'utf8').split('\n').filter(Boolean)
      return lines.map((line) => JSON.parse(line) as Kept)
    } catch {
      return []
    }
  }

  add(kept: Kept): void {
    mkdirSync(dirname(this.path), { recursive: true })
    appendFileSync(this.path, `${JSON.stringify(kept)}\n`)
  }

  forget(): void {
    rmSync(this.path, { force: true })
  }
}

/** The commit, and what is changed beside it. */
function sources(): string {
  const git = (...words: string[]) =>
    execFileSync('git', words, {
      cwd: ROOT,
      stdio: ['ignore', 'pipe', 'ignore'],
      maxBuffer: 2 ** 28,
    }).toString()
  try {
    const changed = git('diff', 'HEAD', '--', 'src', 'cluster', 'test/crash')
    const commit = git('rev-parse', '--short=12', 'HEAD').trim()
    return changed === ''
      ? commit
      : `${commit}-${createHash('sha256').update(changed).digest('hex').slice(0, 8)}`
  } catch {
    return 'unknown'
  }
}

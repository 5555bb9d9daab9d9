import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { client } from '../../support/clients.ts'
import { temporaryFolder } from '../../support/temporary.ts'
import { commandLine } from './harness.ts'

const folder = temporaryFolder('completion')

async function scriptFor(shell: string): Promise<string> {
  const { code, out } = await commandLine().type(`completion ${shell}`)
  expect(code).toBe(0)
  const file = join(folder, `flotilla.${shell}`)
  writeFileSync(file, out)
  return file
}

/** What is typed, and words that must be offered for it. */
const EXPECTED: readonly (readonly [typed: string, offered: readonly string[]])[] = [
  ['flotilla st', ['status']],
  ['flotilla user ', ['list', 'create', 'delete', 'password', 'admin']],
  ['flotilla --data-dir /srv user cr', ['create']],
  ['flotilla init --cluster-n', ['--cluster-name']],
  ['flotilla user admin bob ', ['on', 'off']],
  ['flotilla completion ', ['bash', 'zsh', 'fish']],
]

describe('completion in', () => {
  const bash = client('bash')
  test.skipIf(!bash)('bash offers the words of each command', async () => {
    const script = await scriptFor('bash')
    execFileSync(bash ?? '', ['-n', script])
    for (const [typed, offered] of EXPECTED) {
      const words = typed.split(' ')
      const complete = `source ${script}; COMP_WORDS=(${words.map((word) => `'${word}'`).join(' ')})
        COMP_CWORD=${words.length - 1}; _flotilla; printf '%s\\n' "\${COMPREPLY[@]}"`
      const got = execFileSync(bash ?? '', ['--norc', '-c', complete])
        .toString()
        .trim()
        .split('\n')
      expect(got.toSorted()).toEqual(offered.toSorted())
    }
    expect(
      execFileSync(bash ?? '', ['--norc', '-c', `source ${script}; complete -p flotilla`]).toString(),
    ).toContain('-F _flotilla flotilla')
  })

  const fish = client('fish')
  test.skipIf(!fish)('fish offers the words of each command', async () => {
    const script = await scriptFor('fish')
    for (const [typed, offered] of EXPECTED) {
      const got = execFileSync(fish ?? '', ['--no-config', '-c', `source ${script}; complete -C '${typed}'`])
      const words = got
        .toString()
        .trim()
        .split('\n')
        .map((line) => line.split('\t')[0] ?? '')
      expect(words.toSorted()).toEqual(offered.toSorted())
    }
  })

  const zsh = client('zsh')
  test.skipIf(!zsh)('zsh knows a function for every chain of commands', async () => {
    const script = await scriptFor('zsh')
    execFileSync(zsh ?? '', ['-n', script])
    const load = `autoload -Uz compinit; compinit -u -D; source ${script}
      for f in _flotilla _flotilla_user_create _flotilla_project_grant; do (( $+functions[$f] )) || exit 9; done
      print -r -- $_comps[flotilla]`
    expect(
      execFileSync(zsh ?? '', ['-f', '-c', load])
        .toString()
        .trim(),
    ).toBe('_flotilla')
  })
})

test('another shell is refused with the ones there are', async () => {
  const { code, err } = await commandLine().type('completion tcsh')
  expect(code).toBe(2)
  expect(err).toContain('bash, zsh, fish')
})

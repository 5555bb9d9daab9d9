import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { helpOf, readWords } from '../../support/words.ts'

const TEST = join(import.meta.dirname, '../..')

const usage = {
  command: 'npm run it --',
  about: 'does it',
  options: {
    times: { takes: 'count', default: 10, says: 'how often' },
    seed: { takes: 'number', says: 'the only one' },
    only: { takes: 'text', says: 'part of a name' },
    skip: { takes: 'text', default: '', says: 'which not' },
    nodes: { takes: 'count', least: 3, most: 7, says: 'of the cluster' },
    fresh: { takes: 'nothing', says: 'from the start' },
  },
} as const

describe('words', () => {
  test('what is not said is as usual', () => {
    expect(readWords(usage, []).values).toEqual({
      times: 10,
      seed: undefined,
      only: undefined,
      skip: '',
      nodes: undefined,
      fresh: false,
    })
  })

  test('what is said counts', () => {
    const { values } = readWords(usage, ['--times', '3', '--seed=0', '--only', 'a', '--skip', '', '--fresh'])
    expect(values).toEqual({ times: 3, seed: 0, only: 'a', skip: '', nodes: undefined, fresh: true })
  })

  test.each([
    [['--times', 'x'], "--times takes a whole number from 1 on, not 'x'"],
    [['--times', '0'], "--times takes a whole number from 1 on, not '0'"],
    [['--times', '-5'], "--times takes a whole number from 1 on, not '-5'"],
    [['--times', '1.5'], "--times takes a whole number from 1 on, not '1.5'"],
    [['--times', '9007199254740993'], "--times takes a whole number from 1 on, not '9007199254740993'"],
    [['--times='], "--times takes a whole number from 1 on, not ''"],
    [['--seed', '-1'], "--seed takes a whole number from 0 on, not '-1'"],
    [['--nodes', '2'], "--nodes takes a whole number from 3 to 7, not '2'"],
    [['--nodes', '8'], "--nodes takes a whole number from 3 to 7, not '8'"],
    [['--only', ''], '--only is empty'],
    [['--nosuch'], "Unknown option '--nosuch'; --help says what there is"],
    [['stray'], "Unexpected argument 'stray'; --help says what there is"],
  ])('%j is refused in one line', (argv, line) => {
    expect(() => readWords(usage, argv)).toThrow(line)
    expect(line).not.toContain('\n')
  })

  test('help names every option and what it is as usual', () => {
    const help = helpOf(usage)
    for (const name of [...Object.keys(usage.options), 'help']) expect(help).toContain(`--${name}`)
    expect(help).toContain('how often (10)')
  })
})

const COMMANDS = {
  sim: 'simulation/main.ts',
  'sim:anomalies': 'simulation/anomalies/main.ts',
  'sim:planted': 'simulation/planted/main.ts',
  crash: 'crash/main.ts',
  chaos: 'cluster/chaos/main.ts',
  bench: 'bench/main.ts',
}

/** Some hundred times what it takes: a busy machine is no failure. */
const START_MS_MAX = 60_000

function say(command: keyof typeof COMMANDS, ...words: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [join(TEST, COMMANDS[command]), ...words], {
    encoding: 'utf8',
    timeout: START_MS_MAX,
  })
  return { status, stdout, stderr }
}

describe('every long command', { timeout: START_MS_MAX }, () => {
  test.each(Object.keys(COMMANDS) as (keyof typeof COMMANDS)[])('%s has help', (command) => {
    const { status, stdout, stderr } = say(command, '--help')
    expect({ status, stderr }).toEqual({ status: 0, stderr: '' })
    expect(stdout).toContain(`npm run ${command} --`)
  })

  test.each<[keyof typeof COMMANDS, string[], string]>([
    ['sim', ['--seeds', 'x'], '--seeds'],
    ['sim', ['--nodes', '9'], '--nodes'],
    ['sim', ['--without', 'ignorent'], 'ignorent'],
    ['sim', ['--skip', '1,x'], '--skip'],
    ['sim:anomalies', ['--path', 'x'], '--path'],
    ['chaos', ['--program', 'no/such.js'], 'no/such.js'],
    ['crash', ['--times', '0'], '--times'],
    ['bench', ['ledger', '--nosuch'], '--nosuch'],
  ])('%s %j ends with 2 and one line', (command, words, named) => {
    const { status, stdout, stderr } = say(command, ...words)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(/^[^\n]+\n$/)
    expect(stderr).toContain(named)
  })

  test.each<[keyof typeof COMMANDS, string[], string]>([
    ['crash', ['--only', 'nosuch'], 'append, 1 caller'],
    ['sim:planted', ['--only', 'nobody looks|nosuch'], 'nobody looks at signatures'],
    ['bench', ['ledger', 'nosuch'], 'commit'],
    ['bench', ['nosuch'], 'ledger'],
  ])('%s %j says which names there are', (command, words, known) => {
    const { status, stdout, stderr } = say(command, ...words)
    expect({ status, stdout }).toEqual({ status: 2, stdout: '' })
    expect(stderr).toMatch(/^[^\n]*'nosuch'/)
    expect(stderr).toContain(`  ${known}\n`)
  })

  test('mistakes are listed by name, one a line', () => {
    const { status, stdout } = say('sim:planted', '--list')
    expect(status).toBe(0)
    expect(stdout.split('\n')).toContain('nobody looks at signatures')
  })
})

import { type Command, Option } from 'commander'
import { type LoadedConfig, loadConfig } from '../config/load.ts'
import { flagOf, type SettingKey, settingKeys, settings, variableOf } from '../config/settings.ts'
import type { CliContext } from './context.ts'

/** One flag per setting, for the commands that run a node; --data-dir is the program's own. */
export function addSettingFlags(command: Command): Command {
  command.optionsGroup('Settings (each also in the file and the environment):')
  for (const key of settingKeys) {
    if (key === 'dataDir' || settings[key].secret) continue
    const { doc, placeholder } = settings[key]
    command.addOption(new Option(`${flagOf(key)} <${placeholder}>`, `${doc} [${variableOf(key)}]`))
  }
  command.optionsGroup('Options:')
  return command
}

/** The configuration as this command line has it; slips in the environment are told. */
export function configFor(command: Command, context: CliContext): LoadedConfig {
  const given = command.optsWithGlobals<Record<string, unknown>>()
  const flags: Partial<Record<SettingKey, string>> = {}
  for (const key of settingKeys) {
    const value = given[attributeOf(key)]
    if (typeof value === 'string') flags[key] = value
  }
  const { environment, machine, cwd, terminal } = context
  const file = typeof given.config === 'string' ? given.config : undefined
  const loaded = loadConfig({ environment, machine, cwd, file, flags })
  for (const warning of loaded.warnings) terminal.err(`flotilla: warning: ${warning}`)
  return loaded
}

/** Commander's name for the value of a flag: `--http-port` -> `httpPort`. */
function attributeOf(key: SettingKey): string {
  return flagOf(key)
    .slice(2)
    .replaceAll(/-([a-z])/g, (_, letter: string) => letter.toUpperCase())
}

/** A command to type next, for the same node: `flotilla serve --data-dir /srv/a`. */
export function nextCommand(command: Command, words: string): string {
  const { config, dataDir } = command.optsWithGlobals<{ config?: string; dataDir?: string }>()
  const same = [
    ...(config === undefined ? [] : ['--config', quoted(config)]),
    ...(dataDir === undefined ? [] : ['--data-dir', quoted(dataDir)]),
  ]
  return ['flotilla', words, ...same].join(' ')
}

/** A word as a shell takes it back. */
export function quoted(word: string): string {
  return /^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`
}

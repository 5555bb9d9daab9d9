import type { Command } from 'commander'
import { formatOrigin } from '../../config/config.ts'
import { variableOf } from '../../config/settings.ts'
import type { CliContext } from '../context.ts'
import { addSettingFlags, configFor } from '../setting-flags.ts'
import { table } from '../table.ts'

export function addConfig(program: Command, context: CliContext): void {
  const config = program.command('config').description('look at the settings')
  const show = config
    .command('show', { isDefault: true })
    .description('print every setting, its value and where it comes from')
    .option('--json', 'print one line of JSON')
  addSettingFlags(show).action(() => {
    const { terminal } = context
    const { file, shown } = configFor(show, context)
    if (show.opts<{ json?: boolean }>().json) {
      const settings = shown.map(({ key, value, origin }) => ({
        key,
        value,
        origin,
        variable: variableOf(key),
      }))
      return terminal.out(JSON.stringify({ file, settings }))
    }
    const rows = shown.map(({ key, value, origin }) => [key, display(value), formatOrigin(origin)])
    terminal.out(table(['setting', 'value', 'from'], rows))
    terminal.err(file === null ? '\nno settings file was found' : `\nsettings file: ${file}`)
  })
}

function display(value: unknown): string {
  if (value === null) return '-'
  if (Array.isArray(value)) return value.join(',') || '-'
  return typeof value === 'string' ? value : JSON.stringify(value)
}

import { isAlias, isMap, isScalar, LineCounter, type Node, parseDocument, type YAMLMap } from 'yaml'
import { Fault } from '../errors.ts'
import { nearest } from './nearest.ts'
import { type SettingKey, settingKeys, settings } from './settings.ts'

/** A value as it stands in the file, unchecked. */
export interface FileValue {
  readonly key: SettingKey
  readonly raw: unknown
  readonly line: number
}

/**
 * Reads one YAML file into the settings it names.
 * @throws Fault CONFIG_INVALID with `file:line` for anything that is not a known key
 */
export function readConfigFile(text: string, file: string): FileValue[] {
  const lines = new LineCounter()
  const document = parseDocument(text, { lineCounter: lines, prettyErrors: false })
  const [error] = document.errors
  if (error !== undefined) {
    throw invalid(file, lines.linePos(error.pos[0]).line, error.message)
  }
  if (document.contents === null) return []
  if (!isMap(document.contents)) throw invalid(file, 1, 'must hold `key: value` lines')
  const values: FileValue[] = []
  collect(document.contents, '')
  return values

  function collect(map: YAMLMap, prefix: string): void {
    for (const { key: keyNode, value } of map.items) {
      const line = lineOf(keyNode)
      const key = `${prefix}${isScalar(keyNode) ? String(keyNode.value) : '?'}`
      if (isSettingKey(key)) {
        if (settings[key].secret)
          throw invalid(file, line, `${key} is a secret: set it in the environment only`)
        values.push({ key, raw: plain(value), line: lineOf(value) || line })
      } else if (settingKeys.some((known) => known.startsWith(`${key}.`))) {
        if (!isMap(value))
          throw invalid(file, line, `${key} must hold settings of its own, one a line below it`)
        collect(value, `${key}.`)
      } else {
        const meant = nearest(key, settingKeys)
        const advice = meant === undefined ? '`flotilla help serve` lists all' : `did you mean ${meant}?`
        throw invalid(file, line, `${key} is not a setting; ${advice}`)
      }
    }
  }

  function lineOf(node: unknown): number {
    const range = (node as Node | null)?.range
    return range ? lines.linePos(range[0]).line : 0
  }

  function plain(node: unknown): unknown {
    if (isAlias(node)) return plain(node.resolve(document))
    return (node as Node | null)?.toJS(document)
  }
}

/** A fault that names the place in the file. */
export function invalid(file: string, line: number, message: string): Fault<'CONFIG_INVALID'> {
  return new Fault('CONFIG_INVALID', `${file}:${line}: ${message}`, { file, line })
}

function isSettingKey(key: string): key is SettingKey {
  return Object.hasOwn(settings, key)
}

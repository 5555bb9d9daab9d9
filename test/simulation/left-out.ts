import { WrongWords } from '../support/words.ts'
import { LIES } from './hostile.ts'

const PROMISES = Array.from({ length: 13 }, (_, at) => `I${at + 1}`)

/**
 * Lies and promises as `--without` has them.
 * @throws WrongWords where one is neither
 */
export function leftOut(text: string): readonly string[] {
  const known = [...Object.keys(LIES), ...PROMISES]
  const names = text.split(',')
  const unknown = names.find((name) => !known.includes(name))
  if (unknown === undefined) return names
  throw new WrongWords(`--without takes some of ${known.join(',')}, not '${unknown}'`)
}

import { Fault } from '../errors.ts'
import type { Random } from '../runtime/random.ts'
import { PASSWORD_CHARACTERS_MAX, PASSWORD_CHARACTERS_MIN, PASSWORD_GENERATED_CHARACTERS } from './limits.ts'

/** Without 0 O o 1 l I: a password is read from one screen and typed into another. */
const LOWER = 'abcdefghijkmnpqrstuvwxyz'
const UPPER = 'ABCDEFGHJKLMNPQRSTUVWXYZ'
const DIGITS = '23456789'
const ALL = LOWER + UPPER + DIGITS

/** @throws Fault BAD_REQUEST for a password Harbor would not take either; never repeats it */
export function checkPassword(password: string): void {
  const long = password.length >= PASSWORD_CHARACTERS_MIN && password.length <= PASSWORD_CHARACTERS_MAX
  if (long && /[a-z]/.test(password) && /[A-Z]/.test(password) && /[0-9]/.test(password)) return
  throw new Fault(
    'BAD_REQUEST',
    `a password has ${PASSWORD_CHARACTERS_MIN} to ${PASSWORD_CHARACTERS_MAX} characters, with at least one ` +
      'upper-case letter, one lower-case letter and one digit',
  )
}

/** A password that the policy takes and nobody has thought of. */
export function generatePassword(random: Random): string {
  const pick = (from: string) => from[random.integer(from.length)] as string
  const characters = [LOWER, UPPER, DIGITS].map(pick)
  while (characters.length < PASSWORD_GENERATED_CHARACTERS) characters.push(pick(ALL))
  for (let last = characters.length - 1; last > 0; last--) {
    const other = random.integer(last + 1)
    const moved = characters[last] as string
    characters[last] = characters[other] as string
    characters[other] = moved
  }
  return characters.join('')
}

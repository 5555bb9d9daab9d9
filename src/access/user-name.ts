import { Fault } from '../errors.ts'
import { userName } from '../journal/kinds.ts'

/** Scripts whose letters look like another's; a name that mixes them is made to be mistaken. */
const SCRIPTS = [/\p{Script=Latin}/u, /\p{Script=Cyrillic}/u, /\p{Script=Greek}/u, /\p{Script=Armenian}/u]
/** Characters that show nothing: two names with and without one can't be told apart. */
const INVISIBLE = /[\p{Default_Ignorable_Code_Point}\p{Cf}\p{Co}\p{Cn}]/u

/**
 * A name for a new account. The journal holds the grammar and the folding of case; here is refused what would
 * look like a name somebody else has: compatibility forms (ａdmin), invisible characters, mixed scripts.
 * @throws Fault BAD_REQUEST
 */
export function checkUserName(name: string): string {
  const grammar = userName.safeParse(name)
  if (!grammar.success) {
    throw new Fault(
      'BAD_REQUEST',
      'a user name is 1 to 255 characters, without spaces or , " ~ # % $ < > : / \\',
    )
  }
  if (name.normalize('NFKC') !== name || INVISIBLE.test(name)) {
    throw new Fault(
      'BAD_REQUEST',
      'a user name may not hold characters that look like others or show nothing',
    )
  }
  if (SCRIPTS.filter((script) => script.test(name)).length > 1) {
    throw new Fault('BAD_REQUEST', 'a user name may not mix scripts whose letters look alike')
  }
  return name
}

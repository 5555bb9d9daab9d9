import type { Random } from '../runtime/random.ts'
import type { Accounts } from './accounts.ts'
import { generatePassword } from './password-policy.ts'
import { type Acting, NODE_ITSELF } from './principal.ts'

/** As in Harbor, so that what was written for it finds what it looks for. */
const ADMIN = 'admin'
const LIBRARY = 'library'
const FIRST_NUMBER = 1

export interface FoundationParts {
  readonly accounts: Accounts
  /** The room of projects, as far as it is needed here. */
  readonly projects: {
    create(
      project: { name: string; metadata: Iterable<readonly [string, string]>; number: number },
      owner: string,
      by: Acting,
    ): Promise<unknown>
  }
  readonly random: Random
}

/**
 * What a new cluster starts with: one administrator and the public project `library`. There is no default
 * password (CVE-2026-4404): it is given, or generated and told once.
 * @throws Fault BAD_REQUEST for a password the policy does not take, CONFLICT where it has been done before
 */
export async function layFoundations(
  { accounts, projects, random }: FoundationParts,
  { adminPassword }: { readonly adminPassword: string | null },
): Promise<{ readonly username: string; readonly password: string }> {
  const password = adminPassword ?? generatePassword(random)
  const admin = await accounts.create(
    { name: ADMIN, password, admin: true, realname: 'system admin', number: FIRST_NUMBER },
    NODE_ITSELF,
  )
  const library = { name: LIBRARY, metadata: [['public', 'true'] as const], number: FIRST_NUMBER }
  await projects.create(library, admin.id, NODE_ITSELF)
  return { username: admin.name, password }
}

import { Accounts } from '../../src/access/accounts.ts'
import type { Passwords } from '../../src/access/passwords.ts'
import { Recovery } from '../../src/access/recovery.ts'
import type { Journal } from '../../src/journal/journal.ts'
import { Members } from '../../src/projects/members.ts'
import { Projects } from '../../src/projects/projects.ts'
import { Blobs } from '../../src/registry/blobs.ts'
import type { Content } from '../../src/registry/content.ts'
import { durableAlone } from '../../src/registry/durability.ts'
import { Manifests } from '../../src/registry/manifests.ts'
import { Tags } from '../../src/registry/tags.ts'
import type { Random } from '../../src/runtime/random.ts'

/** argon2id runs in the thread pool; the records hold only what it gave. */
const passwords = {
  hash: async (password: string) =>
    `$argon2id$v=19$m=8,t=1,p=1$c2FsdA$${Buffer.from(password).toString('hex')}`,
  verify: async (stored: string, password: string) => stored.endsWith(Buffer.from(password).toString('hex')),
}
/** Bytes of manifests are no part of this simulation. */
const content = { put: async () => {}, announce: () => {} }

/** The product's own rooms over one journal: what they write is what the simulation writes. */
export interface Doors {
  readonly accounts: Accounts
  readonly projects: Projects
  readonly members: Members
  readonly blobs: Blobs
  readonly manifests: Manifests
  readonly tags: Tags
  readonly recovery: Recovery
}

export function openDoors(journal: Journal, random: Random): Doors {
  const registry = { journal, content: content as unknown as Content }
  return {
    accounts: new Accounts({ journal, random, passwords: passwords as unknown as Passwords }),
    projects: new Projects({ journal, random }),
    members: new Members({ journal, random }),
    blobs: new Blobs(registry),
    manifests: new Manifests({ ...registry, durability: durableAlone(journal.tables) }),
    tags: new Tags({ journal }),
    recovery: new Recovery({ journal, passwords: passwords as unknown as Passwords }),
  }
}

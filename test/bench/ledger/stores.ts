import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { callers } from '../load.ts'
import { cached } from '../place.ts'
import { admit, everything, foundMember, type Member, openMember, TagWriter } from './member.ts'

/** Raise it when stores written before can no longer be read. */
const LAYOUT = 4
/** Written last; holds the cluster's id. */
const DONE = 'complete'

export interface Prepared {
  readonly directory: string
  readonly cluster: string
}

/**
 * A member's directory with that many small ops, made once and kept. `together` of them share an entry, as
 * when so many callers write at once.
 */
export async function storeOf(ops: number, together: number): Promise<Prepared> {
  return prepared(`ours-${LAYOUT}-${ops}-by-${together}`, async (directory) => {
    const member = await foundMember(directory)
    const tags = await TagWriter.of(member)
    await callers(together, ops, (n) => tags.put(`op-${n}`))
    await member.close()
    return member.journal.cluster
  })
}

/** A member that holds feeds of so many other nodes, `each` entries of one op in every one. */
export async function storeOfMany(nodes: number, each: number): Promise<Prepared> {
  return prepared(`ours-${LAYOUT}-nodes-${nodes}-by-${each}`, async (directory) => {
    const keeper = await foundMember(directory)
    for (let n = 0; n < nodes; n++) {
      const other = await openMember(join(directory, `node-${n}`), keeper.journal.cluster)
      await admit(keeper, other.identity.id)
      await carry(keeper, other)
      const tags = await TagWriter.of(other)
      for (let one = 0; one < each; one++) await tags.put(`node-${n}-${one}`)
      await carry(other, keeper)
      await other.close()
    }
    await keeper.close()
    return keeper.journal.cluster
  })
}

async function carry(from: Member, to: Member): Promise<void> {
  for await (const page of everything(from)) await to.journal.take(page, from.identity.id)
}

async function prepared(name: string, make: (directory: string) => Promise<string>): Promise<Prepared> {
  const directory = cached(name)
  const done = join(directory, DONE)
  if (!existsSync(done)) {
    rmSync(directory, { recursive: true, force: true })
    mkdirSync(directory, { recursive: true })
    writeFileSync(done, await make(directory))
  }
  return { directory, cluster: readFileSync(done, 'utf8') }
}

import { accessSync, constants } from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'

/** `go install` puts tools here, which is not on everybody's PATH. */
const GO_TOOLS = [
  process.env.GOBIN,
  process.env.GOPATH && join(process.env.GOPATH, 'bin'),
  join(homedir(), 'go/bin'),
]

const told = new Set<string>()

/**
 * Path of a client program the tests drive. Where it is missing the caller skips, and it is said aloud;
 * on CI, which installs all of them (`.ci/run`), a missing one is a failure.
 * @throws Error on CI, with the name of the program
 */
export function client(name: string): string | undefined {
  const folders = [...(process.env.PATH ?? '').split(delimiter), ...GO_TOOLS]
  for (const folder of folders) {
    if (folder && isProgram(join(folder, name))) return join(folder, name)
  }
  if (process.env.CI === 'true') throw new Error(`${name} is missing: .ci/run should have installed it`)
  if (!told.has(name)) process.stderr.write(`SKIPPED for want of ${name}: \`.ci/run\` installs it\n`)
  told.add(name)
  return undefined
}

/** All of `names`, or undefined when one of them is missing. */
export function clients<const Name extends string>(...names: Name[]): Record<Name, string> | undefined {
  const found = names.map((name) => [name, client(name)] as const)
  if (found.some(([, path]) => path === undefined)) return undefined
  return Object.fromEntries(found) as Record<Name, string>
}

function isProgram(path: string): boolean {
  try {
    accessSync(path, constants.X_OK)
    return true
  } catch {
    return false
  }
}

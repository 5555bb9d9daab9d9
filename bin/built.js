import { existsSync, readdirSync, statSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const root = dirname(dirname(fileURLToPath(import.meta.url)))
/** `npm run build` leaves this when it has been through. */
const stamp = join(root, 'dist/.built')

/**
 * Whether what was built is to be run. In a checkout the sources may be newer; an installed package has none.
 * @returns {boolean}
 */
export function isCurrent() {
  if (!existsSync(stamp)) return false
  if (!existsSync(join(root, 'src/main.ts'))) return true
  const time = statSync(stamp).mtimeMs
  return ['src', 'cluster'].every((folder) =>
    readdirSync(join(root, folder), { recursive: true }).every(
      (file) => !String(file).endsWith('.ts') || statSync(join(root, folder, String(file))).mtimeMs <= time,
    ),
  )
}

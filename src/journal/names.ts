/** One name for what people can't tell apart at a login prompt. */
export function foldName(name: string): string {
  return name.normalize('NFC').toLowerCase()
}

/** Key of a row of `claims`. */
export function claimKey(
  what: 'user-name' | 'user-number' | 'project-name' | 'project-number',
  value: string | number,
): string {
  return `${what}:${typeof value === 'string' ? foldName(value) : value}`
}

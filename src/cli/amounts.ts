const UNITS = ['B', 'KiB', 'MiB', 'GiB', 'TiB']

/** `1.5 MiB`, for people. */
export function formatBytes(bytes: number): string {
  const power = bytes < 1 ? 0 : Math.min(Math.floor(Math.log2(bytes) / 10), UNITS.length - 1)
  const value = bytes / 2 ** (10 * power)
  return `${power === 0 ? value : value.toFixed(1)} ${UNITS[power]}`
}

/** `0.4 ms`, `120 ms`, `3.2 s`, `5 min`. */
export function formatMilliseconds(ms: number): string {
  if (ms < 10) return `${ms.toFixed(1)} ms`
  if (ms < 1000) return `${Math.round(ms)} ms`
  return ms < 120_000 ? `${(ms / 1000).toFixed(1)} s` : `${Math.round(ms / 60_000)} min`
}

/** `[###.......]`: so many of its cells are full. */
export function bar(full: number, width: number): string {
  return `[${'#'.repeat(full)}${'.'.repeat(width - full)}]`
}

/** The start of an id that is long: enough to tell nodes apart, as git does with commits. */
export function shortId(id: string): string {
  return id.length > 16 ? `…${id.slice(-8)}` : id
}

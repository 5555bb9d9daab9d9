/** One line of the printed table. Empty where a column says nothing. */
export interface Figure {
  readonly bench: string
  readonly what: string
  readonly ours: string
  readonly stock: string
  readonly goal: string
}

/** What the columns of a suite are called. */
export interface Titles {
  readonly ours: string
  readonly stock: string
}

/** The value below which `share` of the samples lie. */
export function percentile(samples: readonly number[], share: number): number {
  const sorted = [...samples].sort((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

export function ms(value: number): string {
  if (value >= 10_000) return `${(value / 1000).toFixed(1)} s`
  return `${value.toFixed(value < 10 ? 2 : 0)} ms`
}

/** p50 and p99 of milliseconds. */
export function spread(samples: readonly number[]): string {
  return `${ms(percentile(samples, 0.5))} / ${ms(percentile(samples, 0.99))}`
}

export function perSecond(count: number, elapsedMs: number): string {
  return `${Math.round((count * 1000) / elapsedMs).toLocaleString('en')}/s`
}

export function mebibytes(bytes: number): string {
  return `${(bytes / 2 ** 20).toFixed(0)} MiB`
}

export function ratio(value: number, base: number): string {
  return `${(value / base).toFixed(2)}x`
}

export function count(value: number): string {
  return value.toLocaleString('en')
}

/** The figures as a Markdown table whose columns line up. */
export function table(figures: readonly Figure[], titles: Titles): string {
  const header = ['bench', 'measured', titles.ours, titles.stock, 'goal']
  const rows = figures.map(({ bench, what, ours, stock, goal }) => [bench, what, ours, stock, goal])
  const widths = header.map((title, n) => Math.max(title.length, ...rows.map((row) => row[n]?.length ?? 0)))
  const line = (cells: readonly string[]) =>
    `| ${cells.map((cell, n) => cell.padEnd(widths[n] as number)).join(' | ')} |`
  return [line(header), line(widths.map((width) => '-'.repeat(width))), ...rows.map(line)].join('\n')
}

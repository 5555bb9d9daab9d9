import type { Paint, Terminal } from './terminal.ts'

/** Pino's level numbers. */
const LEVELS: readonly (readonly [atLeast: number, name: string, paint: Paint])[] = [
  [50, 'error', 'red'],
  [40, 'warn ', 'yellow'],
  [30, 'info ', 'green'],
  [0, 'debug', 'dim'],
]

/** A JSON log line as people read it: `14:02:53 info  joined  peer=…`. What is no log line passes as it is. */
export function formatLogLine(line: string, terminal: Pick<Terminal, 'paint'>): string {
  const entry = parse(line)
  if (entry === undefined) return line.trimEnd()
  const { level, time, msg, err, ...facts } = entry
  const [, name, paint] = LEVELS.find(([atLeast]) => Number(level) >= atLeast) ??
    LEVELS[3] ?? [0, 'log', 'dim']
  const clock = typeof time === 'string' ? time.slice(11, 19) : ''
  const reason = err === undefined ? [] : [`error=${show((err as { message?: unknown }).message ?? err)}`]
  const rest = [...Object.entries(facts).map(([key, value]) => `${key}=${show(value)}`), ...reason]
  const parts = [
    terminal.paint('dim', clock),
    terminal.paint(paint, name),
    typeof msg === 'string' ? msg : '',
  ]
  return rest.length === 0 ? parts.join(' ') : `${parts.join(' ')}  ${terminal.paint('dim', rest.join(' '))}`
}

function parse(line: string): Record<string, unknown> | undefined {
  try {
    const entry: unknown = JSON.parse(line)
    return typeof entry === 'object' && entry !== null ? (entry as Record<string, unknown>) : undefined
  } catch {
    return undefined
  }
}

function show(value: unknown): string {
  return typeof value === 'string' && /^\S+$/.test(value) ? value : JSON.stringify(value)
}

import { type Logger as PinoLogger, pino } from 'pino'

/** What a room may say; facts first, sentence last, as in pino. */
export interface Logger {
  debug(facts: object, message: string): void
  info(facts: object, message: string): void
  warn(facts: object, message: string): void
  error(facts: object, message: string): void
  child(bindings: object): Logger
}

/** Secrets that must not reach a log even when somebody logs a whole request. */
const REDACTED = [
  'password',
  '*.password',
  'passwordHash',
  '*.passwordHash',
  'secret',
  '*.secret',
  'token',
  '*.token',
  'authorization',
  '*.authorization',
  '*.headers.authorization',
  'invite',
  '*.invite',
]

/**
 * @param level pino's level name: trace, debug, info, warn, error, silent
 * @param sink takes one JSON line at a time; standard output where none is given
 */
export function createLogger(level: string, sink?: { write(line: string): void }): PinoLogger {
  const options = { level, base: null, redact: REDACTED, timestamp: pino.stdTimeFunctions.isoTime }
  return sink === undefined ? pino(options) : pino(options, sink)
}

/** For code that runs without an operator watching (init, tests). */
export const silentLogger: Logger = {
  debug() {},
  info() {},
  warn() {},
  error() {},
  child: () => silentLogger,
}

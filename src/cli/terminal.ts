import { isatty } from 'node:tty'
import { styleText } from 'node:util'
import { confirm, isCancel, password, text } from '@clack/prompts'
import { Fault } from '../errors.ts'

/** Secrets and invites come in on standard input; anything longer is a mistaken pipe. */
const STDIN_BYTES_MAX = 64 * 1024

export type Paint = 'bold' | 'dim' | 'green' | 'yellow' | 'red'

/** Where the command line talks: results on standard output, everything else on standard error. */
export interface Terminal {
  /** A person sits there: both ends are a TTY. */
  readonly interactive: boolean
  /** Standard output is a TTY. */
  readonly outputIsTerminal: boolean
  readonly columns: number
  out(text: string): void
  err(text: string): void
  /** A line on standard error that the next one takes the place of, where somebody sees it; '' takes it away. */
  progress(text: string): void
  /** Colour where the output shows it, the plain text elsewhere. */
  paint(paint: Paint, text: string): string
  /** All of standard input, without the last line break. */
  readInput(): Promise<string>
  /** @throws Fault CANCELLED */
  askPassword(question: string): Promise<string>
  /** One line; empty where nothing was typed. @throws Fault CANCELLED */
  askLine(question: string): Promise<string>
  /** @throws Fault CANCELLED */
  askConfirmation(question: string): Promise<boolean>
}

export const processTerminal: Terminal = {
  interactive: isatty(0) && isatty(2),
  outputIsTerminal: isatty(1),
  get columns() {
    return process.stdout.columns ?? 120
  },
  out: (text) => void process.stdout.write(`${text}\n`),
  err: (text) => void process.stderr.write(`${text}\n`),
  progress: (text) => void (isatty(2) && process.stderr.write(`\r\u001B[2K${text}`)),
  paint: (paint, text) => styleText(paint, text, { stream: process.stdout, validateStream: true }),
  async readInput() {
    const chunks: Buffer[] = []
    let length = 0
    for await (const chunk of process.stdin) {
      const bytes = Buffer.from(chunk as Uint8Array)
      chunks.push(bytes)
      length += bytes.length
      if (length > STDIN_BYTES_MAX) throw new Fault('INPUT_TOO_LARGE', 'standard input is longer than 64 KiB')
    }
    return Buffer.concat(chunks)
      .toString('utf8')
      .replace(/\r?\n$/, '')
  },
  askPassword: async (question) =>
    answered<string>(await password({ message: question, output: process.stderr })),
  askLine: async (question) =>
    answered<string>((await text({ message: question, defaultValue: '', output: process.stderr })) ?? ''),
  askConfirmation: async (question) =>
    answered<boolean>(await confirm({ message: question, initialValue: false, output: process.stderr })),
}

/**
 * Whoever read along has gone (`flotilla status | head`): the rest is for nobody, and the command goes on to its end,
 * for it may be changing something. Anything else that ails an output is a fault as ever.
 */
export function outliveReaders(): void {
  for (const stream of [process.stdout, process.stderr]) {
    stream.on('error', (error: NodeJS.ErrnoException) => {
      if (error.code !== 'EPIPE') throw error
    })
  }
}

function answered<T extends string | boolean>(answer: T | symbol): T {
  if (isCancel(answer) || typeof answer === 'symbol')
    throw new Fault('CANCELLED', 'cancelled; nothing was changed')
  return answer
}

/** How far a long run is: a bar for people, a line now and then for logs. */
export class Progress {
  readonly #total: number
  readonly #skipped: number
  readonly #startMs: number
  readonly #everyMs: number
  #drawnMs = 0

  /** @param skipped done in an earlier run, and so no part of the speed */
  constructor(total: number, skipped: number) {
    this.#total = total
    this.#skipped = skipped
    this.#startMs = performance.now()
    this.#everyMs = process.stderr.isTTY ? 200 : 10_000
  }

  show(done: number): void {
    const nowMs = performance.now()
    if (nowMs - this.#drawnMs < this.#everyMs && done < this.#total) return
    this.#drawnMs = nowMs
    const share = this.#total === 0 ? 1 : done / this.#total
    const text = `${done}/${this.#total} seeds  ${this.speed(done).toFixed(1)}/s`
    if (!process.stderr.isTTY) process.stderr.write(`${text}\n`)
    else {
      const filled = Math.round(share * 30)
      process.stderr.write(`\r[${'#'.repeat(filled)}${'.'.repeat(30 - filled)}] ${text}   `)
      if (done >= this.#total) process.stderr.write('\n')
    }
  }

  /** Seeds a second. */
  speed(done: number): number {
    return (done - this.#skipped) / Math.max(0.001, (performance.now() - this.#startMs) / 1000)
  }
}

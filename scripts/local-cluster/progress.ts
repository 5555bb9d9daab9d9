/** What the script is doing, on standard error; one line a step, with the time it took. */
export class Progress {
  readonly #terminal = process.stderr.isTTY
  readonly #begun = performance.now()

  /** Runs one step; its line is there from the start, so that whoever waits knows for what. */
  async step<T>(what: string, work: () => Promise<T>): Promise<T> {
    const begun = performance.now()
    if (this.#terminal) process.stderr.write(`  ... ${what}`)
    try {
      const result = await work()
      this.#end(`  ok  ${what} (${seconds(begun)})`)
      return result
    } catch (error) {
      this.#end(`  --  ${what}: failed after ${seconds(begun)}`)
      throw error
    }
  }

  say(text: string): void {
    process.stderr.write(`${text}\n`)
  }

  /** Since the script began. */
  get total(): string {
    return seconds(this.#begun)
  }

  #end(line: string): void {
    process.stderr.write(this.#terminal ? `\r\u001b[2K${line}\n` : `${line}\n`)
  }
}

function seconds(since: number): string {
  return `${((performance.now() - since) / 1000).toFixed(1)} s`
}

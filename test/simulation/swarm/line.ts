/** Something that carries one thing after another at a rate: an uplink, a downlink, a link between two sites. */
export class Line {
  bytes = 0
  #bytesPerMs: number
  #freeAtMs = 0

  /** @param rate in bytes a second */
  constructor(rate: number) {
    this.#bytesPerMs = rate / 1000
  }

  /** From now on it carries so many times as much. */
  change(factor: number): void {
    this.#bytesPerMs *= factor
  }

  /** @returns when the last byte is through, in milliseconds: never before `arrivedMs`, the moment it was all there */
  carry(bytes: number, beganMs: number, arrivedMs: number): number {
    this.bytes += bytes
    this.#freeAtMs = Math.max(arrivedMs, Math.max(beganMs, this.#freeAtMs) + bytes / this.#bytesPerMs)
    return this.#freeAtMs
  }
}

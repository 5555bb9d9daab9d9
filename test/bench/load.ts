/** Calls `put` `total` times from that many callers at once, each waiting for its answer; milliseconds of all. */
export async function callers(
  many: number,
  total: number,
  put: (n: number) => Promise<unknown>,
): Promise<number> {
  let next = 0
  const startedAt = performance.now()
  await Promise.all(
    Array.from({ length: many }, async () => {
      while (next < total) await put(next++)
    }),
  )
  return performance.now() - startedAt
}

/** Milliseconds of each call, one after another. */
export async function oneByOne(total: number, call: (n: number) => unknown): Promise<number[]> {
  const samples: number[] = []
  for (let n = 0; n < total; n++) {
    const startedAt = performance.now()
    await call(n)
    samples.push(performance.now() - startedAt)
  }
  return samples
}

/** Calls at that rate for so many calls, whether or not the last one has been answered. */
export async function atRate(
  perSecond: number,
  total: number,
  call: (n: number) => Promise<unknown>,
): Promise<void> {
  const startedAt = performance.now()
  const calls: Promise<unknown>[] = []
  for (let n = 0; n < total; n++) {
    const waitMs = startedAt + (n * 1000) / perSecond - performance.now()
    if (waitMs > 0) await new Promise((resolve) => setTimeout(resolve, waitMs))
    calls.push(call(n))
  }
  await Promise.all(calls)
}

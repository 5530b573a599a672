import { setTimeout as sleep } from 'node:timers/promises'
import { residentMiB } from '../test/fixtures/resident-memory.ts'

/** The module that a process loads (`--import`) so that `settledMemory` can measure it. */
export const collectOnSignal = new URL('./collect-on-signal.ts', import.meta.url).href

/** Resident memory in KiB, when another garbage collection frees at most a hundredth of it. */
export async function settledMemory(pid: number): Promise<number> {
  for (let last = Number.POSITIVE_INFINITY; ; ) {
    process.kill(pid, 'SIGUSR2')
    await sleep(1_000)
    const now = (await residentMiB(pid)) * 1_024
    if (now > last * 0.99) return now
    last = now
  }
}

import { pino } from 'pino'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { DatabaseFull, DatabaseGone } from '../../src/errors.ts'
import { createWriteWatch } from '../../src/log/write-watch.ts'
import { createMetrics } from '../../src/telemetry/metrics.ts'

/** A watch of a store whose trials and looks fail while they are told to; with the lines that it logs. */
async function watched() {
  vi.useFakeTimers()
  onTestFinished(() => void vi.useRealTimers())
  const state: { trial?: Error; files?: Error; trials: number } = { trials: 0 }
  const store = {
    check() {
      if (state.files !== undefined) throw state.files
    },
    log: {
      async tryWrite() {
        state.trials++
        if (state.trial !== undefined) throw state.trial
      },
    },
  }
  const lines: string[] = []
  const logger = pino({ base: null }, { write: (line: string) => void lines.push(line) })
  const metrics = createMetrics()
  const watch = createWriteWatch({ store, metrics, logger })
  onTestFinished(() => watch.stop())
  await watch.start()
  await vi.advanceTimersByTimeAsync(0)
  return { watch, state, lines, metrics }
}

describe('the watch of writes', () => {
  test('tries at once, and again after ten seconds without a write, not before', async () => {
    const { watch, state } = await watched()
    expect(state.trials).toBe(1)
    await vi.advanceTimersByTimeAsync(8_000)
    watch.succeeded()
    await vi.advanceTimersByTimeAsync(9_000)
    expect(state.trials).toBe(1)
    await vi.advanceTimersByTimeAsync(2_000)
    expect(state.trials).toBe(2)
  })

  test('shows what a trial failed with, tries every second then, and recovers by itself', async () => {
    const { watch, state, metrics } = await watched()
    state.trial = new DatabaseFull('no room')
    await vi.advanceTimersByTimeAsync(11_000)
    expect(watch.failure?.code).toBe('database_full')
    expect(await metrics.text()).toMatch(/peergate_failed_writes_total\{code="database_full"\} [1-9]/)
    delete state.trial
    await vi.advanceTimersByTimeAsync(1_000)
    expect(watch.failure).toBeUndefined()
  })

  test('shows what an append failed with, and one that was stored ends it', async () => {
    const { watch } = await watched()
    watch.failed(new DatabaseFull('no room'), 3)
    expect(watch.failure?.code).toBe('database_full')
    watch.succeeded()
    expect(watch.failure).toBeUndefined()
    watch.failed(new Error('a mistake in here'), 1)
    expect(watch.failure).toBeUndefined()
  })

  test('notices within a second that files are gone, also while messages are stored', async () => {
    const { watch, state } = await watched()
    watch.succeeded()
    state.files = new DatabaseGone('gone')
    await vi.advanceTimersByTimeAsync(1_000)
    expect(watch.failure?.code).toBe('database_gone')
  })

  test('logs one line a minute, without a stack, with how much was refused', async () => {
    const { watch, state, lines } = await watched()
    state.trial = new DatabaseFull('no room')
    for (let second = 0; second < 119; second++) {
      watch.failed(new DatabaseFull('no room'), 10)
      await vi.advanceTimersByTimeAsync(1_000)
    }
    expect(lines).toHaveLength(2)
    expect(JSON.parse(lines[1] ?? '')).toMatchObject({ code: 'database_full', refused: expect.any(Number) })
    expect(JSON.parse(lines[1] ?? '').refused).toBeGreaterThan(500)
    expect(lines.join('\n')).not.toContain('stack')
    delete state.trial
    await vi.advanceTimersByTimeAsync(1_000)
    expect(JSON.parse(lines[2] ?? '')).toMatchObject({ msg: 'the database accepts writes again' })
  })
})

import { expect, test } from 'vitest'
import { createLifecycle, type Part } from '../../src/gateway/lifecycle.ts'
import { createShutdown } from '../../src/gateway/shutdown.ts'
import { silentLog } from '../fixtures/log.ts'

/** Parts that note what is done to them; those named in `failing` throw there. */
function parts(names: string[], events: string[], failing: { start?: string; stop?: string } = {}): Part[] {
  return names.map((name) => ({
    name,
    async start() {
      if (failing.start === name) throw new Error(`${name} can't start`)
      events.push(`+${name}`)
    },
    async stop() {
      events.push(`-${name}`)
      if (failing.stop === name) throw new Error(`${name} can't stop`)
    },
  }))
}

test('starts in order and stops in reverse, once', async () => {
  const events: string[] = []
  const lifecycle = createLifecycle(parts(['a', 'b', 'c'], events), silentLog)
  await lifecycle.start()
  await Promise.all([lifecycle.stop(), lifecycle.stop()])
  expect(events).toEqual(['+a', '+b', '+c', '-c', '-b', '-a'])
})

test('stops what had started when a part fails to start', async () => {
  const events: string[] = []
  const lifecycle = createLifecycle(parts(['a', 'b', 'c'], events, { start: 'c' }), silentLog)
  await expect(lifecycle.start()).rejects.toThrow("c can't start")
  expect(events).toEqual(['+a', '+b', '-b', '-a'])
})

test('stops the rest when a part fails to stop, and says so', async () => {
  const events: string[] = []
  const lifecycle = createLifecycle(parts(['a', 'b'], events, { stop: 'b' }), silentLog)
  await lifecycle.start()
  await expect(lifecycle.stop()).rejects.toThrow(AggregateError)
  expect(events).toEqual(['+a', '+b', '-b', '-a'])
})

test('ends with 0 when the stop is done, and at once on a second signal', async () => {
  const codes: number[] = []
  const stopping = Promise.withResolvers<void>()
  const shutdown = createShutdown(
    { deadlineMs: 60_000 },
    { stop: () => stopping.promise, exit: (code) => codes.push(code), logger: silentLog },
  )
  shutdown('SIGTERM')
  expect(codes).toEqual([])
  shutdown('SIGTERM')
  expect(codes).toEqual([1])
  stopping.resolve()
  await expect.poll(() => codes).toEqual([1, 0])
})

test('ends with 1 when the stop passes its deadline', async () => {
  const codes: number[] = []
  const shutdown = createShutdown(
    { deadlineMs: 1 },
    { stop: () => new Promise(() => undefined), exit: (code) => codes.push(code), logger: silentLog },
  )
  shutdown('SIGTERM')
  await expect.poll(() => codes).toEqual([1])
})

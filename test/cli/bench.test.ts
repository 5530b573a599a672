import { expect, onTestFinished, test, vi } from 'vitest'
import { type Measured, summary } from '../../src/cli/bench-runs.ts'
import { createProgram } from '../../src/cli/program.ts'
import { memoryGateway } from '../fixtures/gateway-pair.ts'
import { createMemoryNetwork } from '../fixtures/memory-engine.ts'

/** What `peergate bench` prints as JSON. */
async function bench(args: string[]): Promise<Measured> {
  const gateway = await memoryGateway(createMemoryNetwork())
  onTestFinished(() => gateway.stop())
  const written: string[] = []
  const write = vi.spyOn(process.stdout, 'write').mockImplementation((text) => {
    written.push(String(text))
    return true
  })
  try {
    await createProgram().parseAsync(['--url', gateway.url, '--json', 'bench', ...args], { from: 'user' })
  } finally {
    write.mockRestore()
  }
  return JSON.parse(written.join(''))
}

test.each([
  ['publish', ['publish', '-n', '40', '--outstanding', '8'], 40],
  ['fan-out', ['fan-out', '-n', '20', '--followers', '3', '--size', '64'], 60],
  ['request', ['request', '-n', '20', '--outstanding', '4'], 20],
])('measures %s at a running gateway', async (_, args, count) => {
  const result = await bench(args)
  expect(result.count).toBe(count)
  expect(result.perSecond).toBeGreaterThan(0)
  const { p50Ms, p90Ms, p99Ms, maxMs } = result
  expect([p50Ms, p90Ms, p99Ms, maxMs]).toEqual([p50Ms, p90Ms, p99Ms, maxMs].toSorted((a, b) => a - b))
  expect(p50Ms).toBeGreaterThan(0)
})

test('percentiles are those of the nearest rank', () => {
  const times = Array.from({ length: 200 }, (_, index) => 200 - index)
  expect(summary(times, 2_000)).toEqual({ count: 200, perSecond: 100, p50Ms: 100, p90Ms: 180, p99Ms: 198, maxMs: 200 })
})

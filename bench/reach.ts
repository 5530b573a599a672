import { fileURLToPath } from 'node:url'
import { startVitest } from 'vitest/node'
import type { BenchResult, BenchRow } from './result.ts'

declare module 'vitest' {
  interface TaskMeta {
    rows?: BenchRow[]
  }
}

/**
 * Gateways behind routers: the time to the first message for every pair of kinds, and the throughput of a direct and of
 * a relayed link. The limit of both is a bare TCP connection through the same router. Hosts and routers are those of
 * the end-to-end tests. They end with a test, so each figure is taken in one. Needs network namespaces.
 */
export async function benchReach({ isQuick }: { isQuick: boolean }): Promise<BenchResult> {
  const config = fileURLToPath(new URL('reach/vitest.config.ts', import.meta.url))
  const options = { config, watch: false, reporters: ['dot'], ...(isQuick ? { testNamePattern: few } : {}) }
  const vitest = await startVitest('test', [], options)
  const tests = vitest.state.getTestModules().flatMap((module) => [...module.children.allTests()])
  const rows = tests.flatMap((test) => test.meta().rows ?? [])
  const notes = tests.filter((test) => test.result().state === 'failed').map(({ name }) => `no figure: ${name}`)
  await vitest.close()
  return { name: 'gateways behind routers', rows, notes }
}

/** A pair of kinds and a path, for both engines. */
const few = /'port-restricted' and 'port-restricted'|'direct'/

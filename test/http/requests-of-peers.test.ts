import { expect, onTestFinished, test } from 'vitest'
import { historyProtocol } from '../../src/catch-up/history-protocol.ts'
import { directProtocol } from '../../src/direct/direct-protocol.ts'
import type { HandleOptions } from '../../src/engine/engine.ts'
import { createGateway } from '../../src/gateway/gateway.ts'
import { defaultLimits } from '../../src/limits.ts'
import { requestProtocol } from '../../src/services/request-protocol.ts'
import { validateProtocol } from '../../src/validation/validate-protocol.ts'
import { loopbackHttp } from '../fixtures/gateway-pair.ts'
import { patientDelayMs } from '../fixtures/gateway-process.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { memoryNode } from '../fixtures/party.ts'

/** How many requests of peers each part of a gateway works on; that an engine keeps to it is in the compliance suite. */

test('each limit of what peers may ask is the engine’s', async () => {
  const handled = new Map<string, HandleOptions>()
  const engine = await memoryNode()
  const { handle } = engine
  engine.handle = async (protocol, handler, options) => {
    handled.set(protocol, options)
    await handle(protocol, handler, options)
  }
  const own = { maxDirectRequests: 3, maxHistoryRequests: 4, maxPeerRequests: 5, maxPeerRequestBytes: 6_000_000 }
  const gateway = createGateway(
    { http: loopbackHttp, limits: { ...defaultLimits, maxEventLoopDelayMs: patientDelayMs, ...own } },
    { store: createMemoryStore(), engine, logger: silentLog },
  )
  await gateway.start()
  onTestFinished(() => gateway.stop())
  const given = [directProtocol, historyProtocol, requestProtocol, validateProtocol].map((protocol) => handled.get(protocol))
  expect(given).toMatchObject([
    { maxConcurrent: 3 },
    { maxConcurrent: 4 },
    { maxConcurrent: 5, maxConcurrentBytes: 6_000_000 },
    { maxConcurrent: 5 },
  ])
})

import { expect, test } from 'vitest'
import type { RequestHandler } from '../../src/engine/engine.ts'
import { defaultLimits } from '../../src/limits.ts'
import { encodeRequest } from '../../src/services/request-protocol.ts'
import { createServices } from '../../src/services/services.ts'
import { silentLog } from '../fixtures/log.ts'

test('a service is told the author of a request through a bridge; in its queue all authors behind the bridge are one', async () => {
  const handlers: RequestHandler[] = []
  const asked: Array<{ from: string; asker: string }> = []
  const services = createServices(
    { limits: defaultLimits },
    {
      engine: {
        peerId: 'here',
        request: () => Promise.reject(new Error('nothing is asked')),
        async handle(_, handler) {
          handlers.push(handler)
        },
        unhandle: async () => undefined,
      },
      peers: { dialPeer: () => Promise.reject(new Error('nobody is dialled')) },
      registry: {
        services: ['echo'],
        provided: [],
        async ask({ from, data }, { asker }) {
          asked.push({ from, asker })
          return data
        },
      },
      gateways: { others: async () => [], link: async () => undefined },
      logger: silentLog,
    },
  )
  await services.start()
  const body = encodeRequest({ service: 'echo', data: new Uint8Array(), timeoutMs: 1_000 })
  const { signal } = new AbortController()
  for (const handler of handlers) {
    await handler({ from: 'author', via: 'bridge', body, signal })
    await handler({ from: 'peer', body, signal })
  }
  expect(asked).toEqual([
    { from: 'author', asker: 'peer bridge' },
    { from: 'peer', asker: 'peer peer' },
  ])
})

import { expect, test } from 'vitest'
import { MessageTooLarge, ServiceNotFound } from '../../src/errors.ts'
import { defaultLimits } from '../../src/limits.ts'
import { decodeAnswer, encodeAnswer, encodeRequest } from '../../src/services/request-protocol.ts'
import { createServices } from '../../src/services/services.ts'
import { gatewayRecord } from '../fixtures/gateway-record.ts'
import { silentLog } from '../fixtures/log.ts'

/** Services of a gateway that serves nothing, beside another one of its database that serves all that is asked for; who was asked. */
async function parts() {
  const asked: string[] = []
  const handlers: Array<(from: string, body: Uint8Array) => Promise<Uint8Array>> = []
  const services = createServices(
    { limits: { ...defaultLimits, maxMessageBytes: 10 } },
    {
      engine: {
        peerId: 'us',
        async request(peerId) {
          asked.push(peerId)
          return encodeAnswer({ status: 'ok', data: Buffer.from('done') })
        },
        async handle(_protocol, handler) {
          handlers.push(async (from, body) => await handler({ from, body, signal: AbortSignal.timeout(20_000) }))
        },
        unhandle: async () => undefined,
      },
      peers: { dialPeer: () => Promise.reject(new Error('all are linked')) },
      registry: {
        services: [],
        provided: ['work', 'add', 'prices'].map((service) => ({
          ...{ service, providers: 1, concurrency: 2, open: 1, waiting: 0, requests: 5, answers: 3, failures: 1 },
          since: 1_000,
        })),
        async ask() {
          asked.push('here')
          throw new ServiceNotFound('This gateway has no provider of this service.')
        },
      },
      gateways: { others: async () => [gatewayRecord('sibling', { services: ['prices'] })], link: async () => undefined },
      logger: silentLog,
    },
  )
  await services.start()
  const answer = async (from: string, request: { from?: string }) => {
    const body = await handlers[0]?.(from, encodeRequest({ service: 'prices', data: Buffer.from('x'), timeoutMs: 1_000, ...request }))
    return body === undefined ? undefined : decodeAnswer(body).status
  }
  return { services, asked, answer }
}

test('what a peer asks goes on to the gateway of the database that serves it, and what such a gateway has passed on does not', async () => {
  const { answer, asked } = await parts()
  expect(await answer('peer', {})).toBe('ok')
  expect(asked).toEqual(['sibling'])
  expect(await answer('sibling', { from: 'peer' })).toBe('not_found')
  expect(asked).toEqual(['sibling', 'here'])
})

test('services are listed by name, page by page', async () => {
  const { services } = await parts()
  const first = services.list({ limit: 2 })
  expect([first.items.map(({ service }) => service), first.next]).toEqual([['add', 'prices'], 'prices'])
  expect(services.list({ after: 'prices', limit: 2 })).toEqual({
    items: [
      {
        ...{ service: 'work', providers: 1, concurrency: 2, open: 1, waiting: 0, requests: 5, answers: 3, failures: 1 },
        ...{ since: '1970-01-01T00:00:01.000Z', gateway: 'us' },
      },
    ],
    next: null,
  })
})

test('maxMessageBytes: a request with more goes to nobody', async () => {
  const { services, asked } = await parts()
  const request = async (bytes: number) =>
    await services.request(
      { client: 'tok_1', to: 'peer', service: 'prices', data: Buffer.alloc(bytes) },
      { signal: AbortSignal.timeout(20_000) },
    )
  await expect(request(11)).rejects.toThrow(MessageTooLarge)
  expect(asked).toEqual([])
  expect(Buffer.from(await request(10)).toString()).toBe('done')
})

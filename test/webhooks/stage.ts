import { createServer, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { onTestFinished } from 'vitest'
import { createEndings } from '../../src/access/endings.ts'
import { agesOf } from '../../src/clock/ages.ts'
import { Unauthorized } from '../../src/errors.ts'
import type { LookUp } from '../../src/lib/look-up.ts'
import { defaultLimits, type Limits } from '../../src/limits.ts'
import { createHistory } from '../../src/log/history.ts'
import { createHub, type Hub } from '../../src/log/hub.ts'
import { fullGrant } from '../../src/model/grant.ts'
import type { NewMessage } from '../../src/model/message.ts'
import { type WebhookInput, webhookInputSchema } from '../../src/model/webhook.ts'
import type { Store } from '../../src/store/store.ts'
import { createWebhooks, type Webhooks } from '../../src/webhooks/webhooks.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryStore } from '../fixtures/memory-store.ts'
import { newMessage } from '../fixtures/messages.ts'

/** A request that a receiver got. */
export interface Received {
  headers: IncomingHttpHeaders
  text: string
  body: { type: string; items: Array<{ id: string; topic: string; data: string }>; gap?: Array<Record<string, string>> }
}

export interface Answering {
  status?: number
  headers?: Record<string, string>
  body?: string | Buffer
}

/** A receiver on this host. */
export async function receiver(
  answer: (received: Received, number: number) => Answering | Promise<Answering> = () => ({}),
): Promise<{ url: string; received: Received[]; server: Server }> {
  const received: Received[] = []
  const server = createServer(async (request, response) => {
    const chunks: Buffer[] = []
    for await (const chunk of request) chunks.push(chunk)
    const text = Buffer.concat(chunks).toString('utf8')
    const one = { headers: request.headers, text, body: JSON.parse(text) }
    received.push(one)
    const { status = 200, headers = {}, body = '' } = await answer(one, received.length)
    response.writeHead(status, headers).end(body)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  onTestFinished(() => {
    server.closeAllConnections()
    server.close()
  })
  const { port } = server.address() as AddressInfo
  return { url: `http://127.0.0.1:${port}/hook`, received, server }
}

export interface Stage {
  webhooks: Webhooks
  store: Store
  clock: { ms: number }
  endings: ReturnType<typeof createEndings>
  rights: { isOpen: boolean }
  outcomes: string[]
  publish(topic: string, data: string, fields?: Partial<NewMessage>): Promise<string>
  create(fields: Partial<WebhookInput> & { url: string }): ReturnType<Webhooks['create']>
}

export const anyone = fullGrant('anyone')

/** Webhooks of one gateway of a store. Age time moves by hand beyond that of the process. */
export async function stage(
  init: {
    store?: Store
    peerId?: string
    limits?: Partial<Limits>
    allowed?: string[]
    lookUp?: LookUp
    signingKey?: Parameters<typeof createWebhooks>[1]['signingKey']
  } = {},
): Promise<Stage> {
  const { store = createMemoryStore(), peerId = '12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz', allowed = ['127.0.0.1'] } = init
  const limits = { ...defaultLimits, ...init.limits }
  const clock = { ms: 0 }
  const now = () => Date.now() + clock.ms
  const hub = createHub({ limits }, { log: store.log })
  const history = createHistory({ limits }, { log: store.log, hub })
  const endings = createEndings()
  const rights = { isOpen: true }
  const outcomes: string[] = []
  const webhooks = createWebhooks(
    { peerId, allowed, limits },
    {
      ...{ store: store.webhooks, hub, history, endings, signingKey: init.signingKey, lookUp: init.lookUp },
      topics: { use: async () => ({ [Symbol.dispose]: () => undefined }) },
      access: {
        async admit() {
          if (rights.isOpen) return anyone
          throw new Unauthorized('A token is required.')
        },
      },
      tokens: {
        async get() {
          throw new Error('not part of this test')
        },
      },
      gateways: { others: async () => [] },
      metrics: { webhook: (outcome, messages) => void outcomes.push(`${outcome} ${messages}`) },
      ...{ logger: silentLog, clock: agesOf(now), now },
    },
  )
  await hub.start()
  await webhooks.start()
  onTestFinished(() => webhooks.stop())

  return {
    ...{ webhooks, store, clock, endings, rights, outcomes },
    publish: publisher({ store, hub }),
    create: (fields) => webhooks.create(webhookInputSchema.parse({ topics: ['>'], ...fields }), { grant: anyone, client: 'local' }),
  }
}

/** Appends messages to the log as ingest does. */
export function publisher({ store, hub }: { store: Store; hub: Pick<Hub, 'append'> }): Stage['publish'] {
  return async (topic, data, fields = {}) => {
    const message = newMessage(topic, { data: Buffer.from(data), ...fields })
    const { previousTip, entries } = await store.log.append([message])
    const stored = entries.flatMap((entry) => ('message' in entry && entry.message !== undefined ? [entry.message] : []))
    hub.append(previousTip, stored)
    return message.id
  }
}

export function dataOf(received: Received[]): string[] {
  return received.flatMap(({ body }) => body.items.map(({ data }) => data))
}

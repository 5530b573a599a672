import { join } from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import type { DeliveryView } from '../../src/model/delivery.ts'
import { freePort } from '../fixtures/free-port.ts'
import { type GatewayProcess, quietEnvironment, startGateway } from '../fixtures/gateway-process.ts'
import { createRandom } from '../fixtures/random.ts'
import { createRest } from '../fixtures/rest.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'
import { byLength } from '../fixtures/test-length.ts'

/** Direct messages between gateways that are killed, both of them, again and again. */

const total = 1_000
/** Of both together; each at a moment of a part of the sending of its own. */
const kills = byLength({ gate: 6, full: 24 })

/** A gateway that is started again after each kill, at the same addresses. */
async function phoenix(env: Record<string, string>) {
  let gateway: GatewayProcess = await startGateway(env)
  onTestFinished(async () => {
    await gateway.end('SIGKILL')
  })
  return {
    peerId: gateway.peerId,
    multiaddrs: gateway.multiaddrs,
    get url() {
      return gateway.url
    },
    async killAndStart(pauseMs: number) {
      await gateway.end('SIGKILL')
      await delay(pauseMs)
      gateway = await startGateway(env)
    },
  }
}

test.each(['custom', 'libp2p'] as const)(
  '1,000 of 1,000 arrive once and in order though both gateways are killed again and again (%s)',
  { timeout: 240_000 },
  async (engine) => {
    const random = createRandom(7)
    const directory = await temporaryDirectory()
    const environment = async (name: string) => ({
      ...quietEnvironment(join(directory, name), engine),
      PEERGATE_HTTP_PORT: String(await freePort()),
      PEERGATE_LISTEN: `/ip4/127.0.0.1/tcp/${await freePort()}${engine === 'custom' ? '/ws' : ''}`,
      PEERGATE_LAST_DELIVERY_RETRY_MS: '2000',
      PEERGATE_DELIVERY_TIMEOUT_MS: '2000',
    })
    const recipient = await phoenix(await environment('recipient'))
    const sender = await phoenix({ ...(await environment('sender')), PEERGATE_BOOTSTRAP: recipient.multiaddrs.join(',') })

    const accepted: DeliveryView[] = []
    async function send(number: number): Promise<DeliveryView> {
      for (;;) {
        try {
          const answer = await fetch(`${sender.url}/v1/peers/${recipient.peerId}/messages`, {
            method: 'POST',
            headers: { 'content-type': 'application/json', 'idempotency-key': `message-${number}` },
            body: JSON.stringify({ data: `message ${number}` }),
          })
          if (answer.status === 202) return (await answer.json()) as DeliveryView
          expect([409, 429, 503]).toContain(answer.status)
        } catch (error) {
          if (!(error instanceof TypeError)) throw error
        }
        await delay(50)
      }
    }
    // In the middle of a request or between two, while the sending goes on.
    let killing = Promise.resolve()
    const killAt = new Map(
      Array.from({ length: kills }, (_, index) => [Math.floor(((index + random.below(100) / 100) * total) / kills), index] as const),
    )
    async function kill(index: number): Promise<void> {
      await delay(random.below(20))
      await (index % 2 === 0 ? sender : recipient).killAndStart(random.below(500))
    }
    for (let number = 0; number < total; number++) {
      const due = killAt.get(number)
      if (due !== undefined) {
        await killing
        killing = kill(due)
      }
      accepted.push(await send(number))
    }
    await killing

    const rest = createRest(sender.url)
    const left = async () => (await rest.get<{ items: unknown[] }>('/v1/deliveries?state=queued')).items.length
    await expect.poll(left, { timeout: 60_000, interval: 500 }).toBe(0)
    const log = await createRest(recipient.url).history('kind=direct')
    expect(log.map(({ data }) => data)).toEqual(Array.from({ length: total }, (_, number) => `message ${number}`))
    expect(log.map(({ id }) => id)).toEqual(accepted.map(({ messageId }) => messageId))
  },
)

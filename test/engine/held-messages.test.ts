import { expect, test } from 'vitest'
import type { Inbound, P2PEngine } from '../../src/engine/engine.ts'
import { startedCustomEngine } from '../fixtures/custom-engine.ts'
import { startedLibp2pEngine } from '../fixtures/libp2p-engine.ts'

const engines = { custom: startedCustomEngine, libp2p: startedLibp2pEngine }
const signal = AbortSignal.timeout(600_000)

/** A receiver, and the messages that came to it. */
function receiver(answer: () => Promise<void> | void = () => undefined) {
  const texts: string[] = []
  const inbound: Inbound = {
    async onMessage({ data }) {
      texts.push(Buffer.from(data).toString())
      await answer()
      return 'accept'
    },
  }
  return { texts, inbound }
}

async function link(from: P2PEngine, to: P2PEngine): Promise<void> {
  await from.dial((await to.multiaddrs())[0] ?? '', { source: 'rest', signal })
  await expect.poll(() => from.subscribers('orders')).toContain(to.peerId)
}

test.each(['custom', 'libp2p'] as const)(
  '%s forwards a message that has waited for earlier ones for longer than validateTimeoutMs',
  async (kind) => {
    const start = engines[kind]
    const turn = Promise.withResolvers<void>()
    const [holding, last] = [receiver(() => turn.promise), receiver()]
    let looks = 0
    const isHeld = () => ++looks > 0
    const a = await start()
    const b = await start({ limits: { validateTimeoutMs: 50 }, inbound: { ...holding.inbound, isHeld } })
    const c = await start({ inbound: last.inbound })
    await b.subscribe('orders')
    await c.subscribe('orders')
    await link(a, b)
    await link(b, c)
    await a.send(await a.sign([{ topic: 'orders', data: Buffer.from('later') }]))
    await expect.poll(() => holding.texts).toEqual(['later'])
    await expect.poll(() => looks).toBeGreaterThan(1)
    turn.resolve()
    await expect.poll(() => last.texts).toEqual(['later'])
  },
)

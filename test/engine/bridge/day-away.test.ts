import { expect, test } from 'vitest'
import type { P2PEngine } from '../../../src/engine/engine.ts'
import { outcomes, stored } from '../../catch-up/parties-that-catch-up.ts'
import { bridgedNetworks, linkTo } from '../../fixtures/bridged-networks.ts'
import { createParty, type Party } from '../../fixtures/party.ts'
import { day } from '../../fixtures/two-clocks.ts'

/** What an engine hears live, by its text. */
function hear(engine: P2PEngine): string[] {
  const heard: string[] = []
  const { receive } = engine
  engine.receive = ({ onMessage, ...inbound }) =>
    receive({
      ...inbound,
      onMessage(message, network) {
        heard.push(Buffer.from(message.data).toString())
        return onMessage(message, network)
      },
    })
  return heard
}

test('a network that was away for a day is caught up from the log of the bridge, at the rate of history, and handed nothing old', {
  timeout: 300_000,
}, async () => {
  const rate = 262_144
  const bytes = 4_000
  const texts = Array.from({ length: 300 }, (_, number) => `${number} ${'x'.repeat(bytes)}`)
  const networks = bridgedNetworks()
  let ahead = 0
  const aheadMs = () => ahead
  const slow = { historyPeerBytesPerSecond: rate }
  const partyOf = async (engine: P2PEngine): Promise<Party & { heard: string[] }> => {
    const heard = hear(engine)
    return { ...(await createParty({ engine, aheadMs, limits: slow })), heard }
  }
  const [here, bridge] = [await partyOf(await networks.nodeOf('custom')), await partyOf(await networks.bridgeNode())]
  const [there, beside] = [await partyOf(await networks.nodeOf('libp2p')), await partyOf(await networks.nodeOf('libp2p'))]
  const away = [there, beside]
  // It keeps no log.
  const stock = await networks.plainNode('libp2p')
  const heard: string[] = []
  stock.receive({
    async onMessage({ data }) {
      heard.push(Buffer.from(data).toString())
      return 'accept'
    },
  })
  await stock.subscribe('orders')
  await linkTo(here.engine, bridge.engine)
  await linkTo(there.engine, beside.engine)
  for (const { engine } of away) await linkTo(engine, bridge.engine)
  for (const { rest } of [here, ...away]) expect((await rest.call('PUT', '/v1/topics/orders')).status).toBeLessThan(300)
  await expect.poll(() => here.engine.subscribers('orders')).toEqual([bridge.peerId])
  await here.rest.publish('orders', 'before')
  for (const party of away) await expect.poll(() => stored(party), { timeout: 20_000 }).toEqual(['before'])

  for (const { peerId } of away) await bridge.engine.hangUp(peerId)
  for (const text of texts) expect((await here.rest.publish('orders', text)).recipients).toBe(1)
  await expect.poll(async () => (await stored(bridge)).length, { timeout: 20_000 }).toBe(1 + texts.length)
  ahead += day

  const began = performance.now()
  await linkTo(stock, bridge.engine)
  for (const { engine } of away) await linkTo(engine, bridge.engine)
  for (const party of away) await expect.poll(() => stored(party), { timeout: 120_000, interval: 250 }).toEqual(['before', ...texts])
  // The bodies alone are several seconds of it.
  expect(performance.now() - began).toBeGreaterThan((1_000 * texts.length * bytes) / rate / 2)
  await here.rest.publish('orders', 'after')
  for (const party of away) await expect.poll(() => stored(party), { timeout: 20_000 }).toEqual(['before', ...texts, 'after'])
  await expect.poll(() => heard, { timeout: 20_000 }).toEqual(['after'])
  for (const party of away) {
    expect(party.heard.filter((text) => texts.includes(text))).toEqual([])
    expect((await outcomes(party))['refused']).toBe(0)
  }
})

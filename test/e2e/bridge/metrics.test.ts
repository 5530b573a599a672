import { expect, test } from 'vitest'
import type { Peer } from '../../../src/model/peer.ts'
import type { EngineName } from '../../fixtures/gateway-process.ts'
import { type MovingGateway, movingGateway } from '../../fixtures/moving-gateway.ts'

const topic = 'orders'

/** Values of a metric by network, as an operator reads them. */
async function byNetwork({ url }: MovingGateway, metric: string, reason?: string): Promise<Record<string, number>> {
  const text = await (await fetch(`${url}/metrics`)).text()
  const labels = `network="(\\w+)"${reason === undefined ? '' : `,reason="${reason}"`}`
  const series = text.matchAll(new RegExp(`^peergate_${metric}{${labels}} (\\S+)$`, 'gm'))
  return Object.fromEntries(Array.from(series, ([, network, value]) => [network, Number(value)]))
}

async function subscribersAt({ rest }: MovingGateway): Promise<string[]> {
  const { items } = await rest.get<{ items: Peer[] }>(`/v1/peers?topic=${topic}&state=connected`)
  return items.map(({ peerId }) => peerId).toSorted()
}

test('a bridge counts by network what it hands on, what waits, and what it is subscribed to for others', async () => {
  const [here, bridge, there] = await Promise.all([movingGateway(), movingGateway(), movingGateway()])
  await bridge.start('both')
  await Promise.all([here.start('custom', [bridge]), there.start('libp2p', [bridge])])
  for (const { rest } of [here, there]) expect((await rest.call('PUT', `/v1/topics/${topic}`, {})).status).toBeLessThan(300)
  const poll = (metric: string) => expect.poll(() => byNetwork(bridge, metric), { timeout: 20_000 })
  await poll('bridged_topics').toEqual({ custom: 1, libp2p: 1 })
  await expect.poll(() => subscribersAt(bridge)).toEqual([here.peerId, there.peerId].toSorted())
  await expect.poll(() => subscribersAt(here)).toEqual([bridge.peerId])
  const bridged = () => byNetwork(bridge, 'bridged_messages_total')
  expect(await bridged()).toEqual({ custom: 0, libp2p: 0 })

  /** Publishes, and returns how many messages were handed to the author's own network when the other one has its message. */
  async function crosses(from: MovingGateway, own: EngineName, other: EngineName): Promise<number> {
    const before = await bridged()
    await from.rest.publish(topic, `to ${other}`)
    await expect.poll(async () => (await bridged())[other]).toBe((before[other] ?? 0) + 1)
    return ((await bridged())[own] ?? 0) - (before[own] ?? 0)
  }
  // A message that the bridge has fetched from its author's log goes to both networks: others there may lack it.
  await expect.poll(() => crosses(here, 'custom', 'libp2p')).toBe(0)
  await expect.poll(() => subscribersAt(there)).toEqual([bridge.peerId])
  await expect.poll(() => crosses(there, 'libp2p', 'custom')).toBe(0)

  await there.end('SIGKILL')
  await expect.poll(() => subscribersAt(bridge), { timeout: 20_000 }).toEqual([here.peerId])
  const before = await bridged()
  await here.rest.publish(topic, 'waits')
  await poll('network_unsent_topics').toEqual({ custom: 0, libp2p: 1 })
  expect((await bridged())['libp2p']).toBe(before['libp2p'])
  await there.start('libp2p', [bridge])
  await expect.poll(async () => (await bridged())['libp2p']).toBe((before['libp2p'] ?? 0) + 1)
  await poll('network_unsent_topics').toEqual({ custom: 0, libp2p: 0 })
  for (const reason of ['no_subscriber', 'too_large'])
    expect(await byNetwork(bridge, 'given_up_messages_total', reason)).toEqual({ custom: 0, libp2p: 0 })
})

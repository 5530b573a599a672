import { expect, onTestFinished, test } from 'vitest'
import type { Peer } from '../../../src/model/peer.ts'
import { type MovingGateway, movingGateway } from '../../fixtures/moving-gateway.ts'
import { openStream } from '../../fixtures/stream-client.ts'

/** Abuse of one network is stopped at the bridge, and is that network's alone. */

const [topic, judged] = ['orders', 'judged']
const sizeBytes = 10_000
const quotaBytes = 20 * sizeBytes
const flooded = 60
const rejected = 3

const sides = { custom: 'libp2p', libp2p: 'custom' } as const

async function atBridge(bridge: MovingGateway, { peerId }: MovingGateway): Promise<Peer> {
  return await bridge.rest.get<Peer>(`/v1/peers/${peerId}`)
}

async function subscribersAt({ rest }: MovingGateway, name: string): Promise<string[]> {
  const { items } = await rest.get<{ items: Peer[] }>(`/v1/peers?topic=${name}&state=connected`)
  return items.map(({ peerId }) => peerId)
}

const textsAt = async ({ rest }: MovingGateway, name: string) => (await rest.history(`topic=${name}`)).map(({ data }) => String(data))
const numbered = (name: string, count: number) => Array.from({ length: count }, (_, number) => `${name} ${number}`)

async function publishAll({ rest }: MovingGateway, name: string, texts: string[]): Promise<void> {
  await Promise.all(texts.map((text) => rest.publish(name, text)))
}

/** A client of the gateway that rejects what begins with `bad`. */
async function rejectBad({ url }: MovingGateway): Promise<void> {
  const moderator = await openStream(url)
  onTestFinished(() => moderator.socket.terminate())
  let handled = 0
  moderator.socket.on('message', () => {
    for (; handled < moderator.frames.length; handled++) {
      const frame = moderator.frames[handled]
      if (frame?.type !== 'validation') continue
      const verdict = String(frame.message.data).startsWith('bad') ? 'reject' : 'accept'
      moderator.send({ type: 'verdict', validationId: frame.validationId, verdict })
    }
  })
  moderator.send({ type: 'validate', topic: judged, deadlineMs: 2_000 })
  await moderator.expect('validating')
}

for (const [near, far] of Object.entries(sides) as ['custom' | 'libp2p', 'custom' | 'libp2p'][]) {
  test(`a flood in the ${near} network costs its author's quota before it reaches the ${far} network, and rejected messages count against who brought them`, async () => {
    // Without relays, through which gateways would link to one whose dial-back takes long on a busy machine.
    const env = { PEERGATE_RELAY: 'false' }
    const [bridge, flooder, beside, beyond] = await Promise.all([
      movingGateway({ ...env, PEERGATE_MAX_AUTHOR_BYTES_PER_HOUR: String(quotaBytes) }),
      movingGateway(env),
      movingGateway(env),
      movingGateway(env),
    ])
    await bridge.start('both')
    const honest = [beside, beyond]
    await Promise.all([flooder.start(near, [bridge]), beside.start(near, [bridge]), beyond.start(far, [bridge])])
    await rejectBad(bridge)
    for (const { rest } of [flooder, ...honest])
      for (const name of [topic, judged]) expect((await rest.call('PUT', `/v1/topics/${name}`, {})).status).toBeLessThan(300)
    for (const name of [topic, judged]) {
      const others = [flooder, ...honest].map(({ peerId }) => peerId).toSorted()
      await expect.poll(async () => (await subscribersAt(bridge, name)).toSorted()).toEqual(others)
      for (const each of [flooder, ...honest]) await expect.poll(() => subscribersAt(each, name)).toContain(bridge.peerId)
    }

    const flood = numbered('flood', flooded).map((text) => text.padEnd(sizeBytes, '.'))
    const bad = numbered('bad', rejected)
    const good = honest.map(({ peerId }) => numbered(peerId, 10))
    await Promise.all([
      publishAll(flooder, topic, flood),
      publishAll(flooder, judged, bad),
      ...honest.flatMap((each, index) => [topic, judged].map((name) => publishAll(each, name, good[index] ?? []))),
    ])

    // The bridge has been brought everything, and has judged it.
    await expect.poll(async () => (await atBridge(bridge, flooder)).traffic.messagesIn).toBeGreaterThanOrEqual(flooded + rejected)
    for (const each of [bridge, ...honest]) {
      await expect.poll(async () => (await textsAt(each, topic)).length).toBeGreaterThanOrEqual(good.flat().length + quotaBytes / sizeBytes)
      const texts = await textsAt(each, topic)
      expect(texts.filter((text) => text.startsWith('flood')).length).toBe(quotaBytes / sizeBytes)
      expect(texts.filter((text) => !text.startsWith('flood')).toSorted()).toEqual(good.flat().toSorted())
      await expect.poll(async () => (await textsAt(each, judged)).toSorted()).toEqual(good.flat().toSorted())
    }
    await expect.poll(async () => (await atBridge(bridge, flooder)).score).toBeLessThan(0)
    for (const each of honest) expect((await atBridge(bridge, each)).score).toBeGreaterThanOrEqual(0)
    expect((await atBridge(beyond, bridge)).score).toBeGreaterThanOrEqual(0)
  })
}

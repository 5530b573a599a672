import { expect } from 'vitest'
import { cell } from './cell.ts'
import { countOf, isReceived, numbered } from './exchange.ts'
import { startPeer } from './foreign-peer.ts'
import { dialFrom, follow, listenOn, startGatewaySide } from './gateway-side.ts'

const topic = 'orders'
const listen = [listenOn.TCP]
const texts = numbered('at full speed')

/** What the gateway may lose more than the other Go, as a share of the messages: the two processes have the processors in turns. */
const moreLostShare = 0.2

/** The two receivers don't know each other: what each has is what the sender handed it. */
cell({ kinds: ['go'], name: 'without a pause, to a gateway and to another Go' }, async () => {
  const startGo = () => startPeer('go', { listen })
  const [gateway, sender, other] = await Promise.all([startGatewaySide({ PEERGATE_LISTEN: listenOn.TCP }), startGo(), startGo()])
  await Promise.all([dialFrom(gateway, sender.multiaddrs[0] ?? ''), other.dial(sender.multiaddrs[0] ?? '')])
  const stream = await follow(gateway, topic)
  await Promise.all([sender.subscribe(topic), other.subscribe(topic)])
  const atGateway = (wanted: readonly string[]) => countOf(stream.messages, isReceived({ peer: sender }, wanted))
  const atOther = (wanted: readonly string[]) => countOf(other.heard, ({ data }) => wanted.includes(data.toString()))

  // It publishes to those that have been grafted into its mesh.
  const probe = ['probe']
  const [probesAtGateway, probesAtOther] = [atGateway(probe), atOther(probe)]
  await expect
    .poll(async () => {
      await sender.publish(topic, probe.map(bytesOf))
      return probesAtGateway() > 0 && probesAtOther() > 0
    })
    .toBe(true)
  const lostBy = async (peerId: string) => await sender.droppedTo(peerId)
  const before = { gateway: await lostBy(gateway.process.peerId), other: await lostBy(other.peerId) }

  await sender.publish(topic, texts.map(bytesOf))
  const droppedToGateway = async () => (await lostBy(gateway.process.peerId)) - before.gateway
  const droppedToOther = async () => (await lostBy(other.peerId)) - before.other
  const [gotByGateway, gotByOther] = [atGateway(texts), atOther(texts)]
  await expect.poll(async () => gotByGateway() + (await droppedToGateway())).toBe(texts.length)
  await expect.poll(async () => gotByOther() + (await droppedToOther()) + (await other.refused())).toBe(texts.length)

  const [lost, lostByOther] = [texts.length - gotByGateway(), texts.length - gotByOther()]
  expect(lost).toBeLessThanOrEqual(lostByOther + texts.length * moreLostShare)
  return `${lost} to the gateway and ${lostByOther} to the other Go of 1,000 each found a queue of Go full; the gateway has all that left`
})

const bytesOf = (text: string) => Buffer.from(text)

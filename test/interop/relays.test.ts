import { expect, onTestFinished } from 'vitest'
import type { NodeView } from '../../src/model/node.ts'
import { decodeAnswer, decodeRequest, encodeAnswer, encodeRequest, requestProtocol } from '../../src/services/request-protocol.ts'
import { openStream } from '../fixtures/stream-client.ts'
import { cell } from './cell.ts'
import { exchange, joinBoth, numbered } from './exchange.ts'
import { startPeer } from './foreign-peer.ts'
import { dialFrom, follow, type GatewaySide, listenOn, post, startGatewaySide, untilSubscribed } from './gateway-side.ts'

const topic = 'orders'
const listen = [listenOn.TCP]
const dialsHere = { PEERGATE_LISTEN: listenOn.TCP, PEERGATE_DIAL: 'host' }

/** Serves every request of a service with its own data. */
async function serveEcho({ process }: GatewaySide): Promise<void> {
  const stream = await openStream(process.url)
  onTestFinished(() => stream[Symbol.asyncDispose]())
  stream.send({ type: 'serve', service: 'echo' })
  await stream.expect('serving')
  stream.socket.on('message', (text) => {
    const frame = JSON.parse(text.toString())
    if (frame.type === 'request') stream.send({ type: 'reply', requestId: frame.requestId, data: frame.data })
  })
}

async function ask({ rest }: GatewaySide, peerId: string): Promise<unknown> {
  return (await rest.call('POST', `/v1/peers/${peerId}/requests/echo`, { data: 'over the relay' })).body
}

cell({ kinds: ['go'], name: 'as the relay between two gateways' }, async () => {
  const relay = await startPeer('go', { listen, relay: true })
  const hidden = await startGatewaySide({ ...dialsHere, PEERGATE_LISTEN: '/p2p-circuit', PEERGATE_BOOTSTRAP: relay.multiaddrs[0] ?? '' })
  const circuit = async () => (await hidden.rest.get<NodeView>('/v1/node')).multiaddrs.find((address) => address.includes('/p2p-circuit'))
  await expect.poll(circuit).toContain(relay.peerId)
  const gateway = await startGatewaySide(dialsHere)
  await dialFrom(gateway, (await circuit()) ?? '')
  const [atHidden, atOther] = [await follow(hidden, topic), await follow(gateway, topic)]
  await untilSubscribed(hidden, topic, 1)
  await untilSubscribed(gateway, topic, 1)
  const texts = numbered('over the relay')
  for (let start = 0; start < texts.length; start += 100) {
    const burst = texts.slice(start, start + 100).map((text) => Buffer.from(text))
    await Promise.all([post(hidden, topic, burst), post(gateway, topic, burst)])
  }
  await expect.poll(() => atHidden.messages.length).toBe(2 * texts.length)
  await expect.poll(() => atOther.messages.length).toBe(2 * texts.length)
  await serveEcho(hidden)
  expect(await ask(gateway, hidden.process.peerId)).toMatchObject({ data: 'over the relay' })
  return '1,000 each way in bursts, and a request'
})

cell({ kinds: ['go'], name: 'behind a relay that is a gateway' }, async () => {
  const [relay, gateway, peer] = await Promise.all([
    startGatewaySide({ ...dialsHere, PEERGATE_RELAY: 'true' }),
    startGatewaySide(dialsHere),
    startPeer('go', { listen: [] }),
  ])
  const { seconds, bytes } = await peer.reserve(relay.process.multiaddrs[0] ?? '')
  expect([seconds, bytes]).toEqual([0, 0])
  await dialFrom(gateway, `${relay.process.multiaddrs[0]}/p2p-circuit/p2p/${peer.peerId}`)
  const counted = await exchange(await joinBoth(gateway, peer, topic))

  await serveEcho(gateway)
  const request = encodeRequest({ service: 'echo', data: Buffer.from('of the peer'), timeoutMs: 10_000 })
  const answer = decodeAnswer(await peer.ask(gateway.process.peerId, requestProtocol, request))
  expect(answer).toEqual({ status: 'ok', data: new TextEncoder().encode('of the peer') })
  await peer.answer(requestProtocol, encodeAnswer({ status: 'ok', data: Buffer.from('by the peer') }))
  expect(await ask(gateway, peer.peerId)).toMatchObject({ data: 'by the peer' })
  expect(peer.asked.map(({ body }) => decodeRequest(body).service)).toEqual(['echo'])
  return `${counted}; a request each way`
})

import { encode } from 'cborg'
import { expect, onTestFinished, test } from 'vitest'
import { dhtProtocol } from '../../../src/engine/custom/dht/dht.ts'
import { decodeAnswer, encodeFrame } from '../../../src/engine/custom/dht/frames.ts'
import { frameTypes } from '../../../src/engine/custom/link/frame-types.ts'
import { decodeHello, encodeHello, helloAddresses } from '../../../src/engine/custom/link/hello.ts'
import { frameBounds } from '../../../src/engine/custom/overlay/frames.ts'
import { type ControlFrame, decodeControl, encodeControl } from '../../../src/engine/custom/wire/overlay-frame.ts'
import { placeOfPeer } from '../../../src/engine/key-space.ts'
import { startedCustomEngine } from '../../fixtures/custom-engine.ts'
import { urlOf } from '../../fixtures/hostile-peer.ts'
import { helloOf, openLinkedPeer, openRawPeer } from '../../fixtures/raw-peer.ts'

/** What a peer says is passed on only as far as others take it: they would disconnect this node for the rest. */

test('a peer with more and longer addresses than a record has makes no frame and no answer of this node invalid', async () => {
  const engine = await startedCustomEngine()
  const url = await urlOf(engine)
  const hostile = await openRawPeer(url)
  onTestFinished(() => hostile.socket.terminate())
  const ports = Array.from({ length: 15 }, (_, index) => `/ip4/127.0.0.1/tcp/${7_000 + index}/ws`)
  const multiaddrs = [`/dns4/${'long.'.repeat(80)}example/tcp/1/ws`, ...ports].map((address) => `${address}/p2p/${hostile.peerId}`)
  hostile.channel.write(frameTypes.hello, helloOf({ multiaddrs, protocols: [dhtProtocol] }))
  hostile.channel.write(frameTypes.control, encodeControl({ type: 'join' }))

  const heard: ControlFrame[] = []
  const answers: Buffer[] = []
  const honest = await openLinkedPeer(url, {
    onFrame(type, body) {
      if (type === frameTypes.control) heard.push(decodeControl(body))
      if (type === frameTypes.answerBody) answers.push(body.subarray(4))
    },
  })
  onTestFinished(() => honest.socket.terminate())
  let token = 0
  await expect
    .poll(() => {
      const shuffle: ControlFrame = { type: 'shuffle', token: `${++token}`, hops: 0, peers: [] }
      honest.channel.write(frameTypes.control, encodeControl(shuffle))
      return heard.flatMap((frame) => (frame.type === 'shuffle-reply' ? frame.peers.map(({ peer }) => peer.peerId) : []))
    })
    .toContain(hostile.peerId)

  const body = encodeFrame({ type: 'find-node', place: placeOfPeer(hostile.peerId) })
  honest.channel.write(frameTypes.request, encode({ id: 1, protocol: dhtProtocol, length: body.length }))
  honest.channel.write(frameTypes.requestBody, Buffer.of(0, 0, 0, 1), body)
  await expect.poll(() => answers.length).toBe(1)
  const told = decodeAnswer(answers[0] ?? Buffer.alloc(0)).closer?.find(({ peerId }) => peerId === hostile.peerId)
  expect(told?.multiaddrs).toEqual(multiaddrs.slice(1, 1 + frameBounds.multiaddrs))
  expect(honest.channel.isOpen).toBe(true)
})

test('the own hello is valid with any number of addresses, and keeps those from outside', () => {
  const listened = Array.from({ length: 40 }, (_, index) => `/ip4/192.0.2.${index}/tcp/7071/ws`)
  const outside = [`/dns4/${'long.'.repeat(100)}example/tcp/1/ws/p2p/relay/p2p-circuit`, '/ip4/198.51.100.1/tcp/1/ws/p2p/relay/p2p-circuit']
  const hello = decodeHello(helloOf({ multiaddrs: helloAddresses(listened, outside) }))
  expect(hello.multiaddrs).toEqual([...listened.slice(0, 15), outside[1]])
  expect(() => decodeHello(encodeHello({ ...hello, multiaddrs: listened }))).toThrow()
})

test('a beacon of a round after which no other comes is refused', () => {
  const beacon = (round: number) => encodeControl({ type: 'beacon', topic: 'orders', round, rank: 1 })
  expect(decodeControl(beacon(frameBounds.round))).toMatchObject({ round: frameBounds.round })
  expect(() => decodeControl(beacon(Number.MAX_SAFE_INTEGER))).toThrow()
})

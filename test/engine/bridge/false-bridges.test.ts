import { setTimeout as delay } from 'node:timers/promises'
import { encode } from 'cborg'
import { expect, test } from 'vitest'
import { createBridgeChoice } from '../../../src/engine/bridge/bridge-choice.ts'
import { type Carry, decodeCarry } from '../../../src/engine/bridge/carry.ts'
import { openQuestion } from '../../../src/engine/bridge/envelopes.ts'
import { bridgedProtocol, bridgeProtocol } from '../../../src/engine/bridge/protocols.ts'
import type { P2PEngine } from '../../../src/engine/engine.ts'
import { PeerNotConnected, PeerUnreachable } from '../../../src/errors.ts'
import { bridgedNetworks, linkTo } from '../../fixtures/bridged-networks.ts'

/** Any peer may say that it is a bridge, and peer ids are free. */

const protocol = '/peergate/test/1.0.0'
const handled = { maxRequestBytes: 1_000, maxConcurrent: 10, bridged: true }
const signal = AbortSignal.timeout(600_000)

const ask = async (from: P2PEngine, to: P2PEngine) => {
  const options = { signal, maxAnswerBytes: 1_000, bridged: true }
  return Buffer.from(await from.request(to.peerId, protocol, Buffer.from('hello'), options)).toString()
}

/** The outcome of each of several requests, one after another. */
async function outcomesOf(from: P2PEngine, to: P2PEngine, count: number): Promise<string[]> {
  const outcomes: string[] = []
  for (let request = 0; request < count; request++) {
    outcomes.push(
      await ask(from, to).catch((error: unknown) => {
        if (error instanceof PeerNotConnected || error instanceof PeerUnreachable) return error.name
        throw error
      }),
    )
  }
  return outcomes
}

async function twoNetworks() {
  const networks = bridgedNetworks()
  const [here, there, another] = [await networks.node('custom'), await networks.node('libp2p'), await networks.node('libp2p')]
  for (const node of [there, another]) await node.handle(protocol, async ({ body }) => body, handled)
  return { networks, here, there, another }
}

/** Has a node say that it is a bridge. */
async function sayIsBridge(engine: P2PEngine, carry: (carry: Carry) => Promise<unknown>): Promise<void> {
  const handler = async ({ body }: { body: Uint8Array }) => encode(await carry(decodeCarry(body)))
  await engine.handle(bridgeProtocol, handler, { maxRequestBytes: 10_000, maxConcurrent: 100 })
}

test('a bridge is found among two dozen peers that only say they are one, and then asked first for others too', async () => {
  const { networks, here, there, another } = await twoNetworks()
  for (let place = 0; place < 24; place++) {
    const peer = await networks.plainNode('custom')
    await sayIsBridge(peer, async () => ({ status: 'no_link' }))
    await linkTo(peer, here)
  }
  const bridge = await networks.bridge()
  for (const node of [here, there, another]) await linkTo(bridge, node)
  expect(await outcomesOf(here, there, 4)).toContain('hello')
  expect(await ask(here, another)).toBe('hello')
})

test('a bridge is used although others bring the tickets of a peer sooner, and nothing else', async () => {
  const { networks, here, there } = await twoNetworks()
  for (const isTrue of [false, false, false, true]) {
    const { engine } = await networks.idleBridge()
    await sayIsBridge(engine, async ({ to, envelope }) => {
      if (isTrue) await delay(50)
      else if ((await openQuestion(envelope)).type === 'request') return { status: 'unanswered' }
      return { status: 'answered', envelope: await engine.request(to, bridgedProtocol, envelope, { signal, maxAnswerBytes: 10_000 }) }
    })
    for (const node of [here, there]) await linkTo(engine, node)
  }
  expect((await outcomesOf(here, there, 6)).slice(3)).toEqual(['hello', 'hello', 'hello'])
})

const bridges = (count: number, direction: 'inbound' | 'outbound', name = `${direction} `) =>
  Array.from({ length: count }, (_, place) => ({ peerId: `${name}${place}`, direction }))

test('those that were not asked for the longest time are asked first', () => {
  const choice = createBridgeChoice({ max: 4 })
  const all = bridges(10, 'inbound', '')
  expect([1, 2, 3].map(() => choice.choose(all).join(''))).toEqual(['0123', '4567', '8901'])
})

test('those that dial this node take a part of the places', () => {
  const choice = createBridgeChoice({ max: 4 })
  const all = [...bridges(100, 'inbound'), ...bridges(2, 'outbound')]
  expect(choice.choose(all).toSorted()).toEqual(['inbound 0', 'inbound 1', 'outbound 0', 'outbound 1'])
})

test('those that have brought something take a part of the places, and others the rest', () => {
  const choice = createBridgeChoice({ max: 4 })
  const all = [...bridges(20, 'inbound', 'useful '), ...bridges(100, 'inbound')]
  for (let place = 0; place < 20; place++) choice.brought(`useful ${place}`)
  expect(choice.choose(all)).toEqual(['useful 0', 'inbound 0', 'useful 1', 'inbound 1'])
})

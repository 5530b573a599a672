import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Inbound } from '../../../src/engine/engine.ts'
import { bridgeOf, dial, leafOf } from '../../fixtures/memory-bridges.ts'
import { createMemoryNetwork, type MemoryNetwork } from '../../fixtures/memory-engine.ts'
import { storedMessage } from '../../fixtures/messages.ts'

beforeEach(() => void vi.useFakeTimers({ toFake: ['setInterval', 'clearInterval', 'performance'] }))
afterEach(() => void vi.useRealTimers())

test('two bridges subscribe in a network for the other’s peers, and not for each other', async () => {
  const networks: [MemoryNetwork, MemoryNetwork] = [createMemoryNetwork(), createMemoryNetwork()]
  const bridges = [await bridgeOf(networks), await bridgeOf(networks)]
  const [here, there] = bridges
  if (here === undefined || there === undefined) throw new Error('no bridges')
  for (const { engine } of bridges) await engine.start()
  await dial(here.one, there.one)
  await dial(here.other, there.other)
  const leaf = await leafOf(networks[0])
  for (const { one } of bridges) await dial(leaf, one)
  await leaf.subscribe('orders')
  for (const { other } of bridges) await expect.poll(() => other.topics()).toEqual(['orders'])
  for (const { one } of bridges) expect(await one.topics()).toEqual([])
  await leaf.unsubscribe('orders')
  await vi.advanceTimersByTimeAsync(70_000)
  for (const { one, other } of bridges) expect([await one.topics(), await other.topics()]).toEqual([[], []])
})

test('a bridge is told apart from other peers by a protocol of its own', async () => {
  const networks: [MemoryNetwork, MemoryNetwork] = [createMemoryNetwork(), createMemoryNetwork()]
  const { engine, one } = await bridgeOf(networks)
  await engine.start()
  const leaf = await leafOf(networks[0])
  await dial(leaf, one)
  const [peer] = await leaf.peers()
  expect(peer?.protocols).toEqual(['/peergate/bridge-interest/1.0.0'])
})

test('a start that fails on one side leaves neither open, and the next one starts both', async () => {
  const networks: [MemoryNetwork, MemoryNetwork] = [createMemoryNetwork(), createMemoryNetwork()]
  let fails = true
  const { engine, one, other } = await bridgeOf(networks, (side) => ({
    ...side,
    async start() {
      if (fails) throw new Error('the port is taken')
      await side.start()
    },
  }))
  await expect(engine.start()).rejects.toThrow('the port is taken')
  expect([await one.multiaddrs(), await other.multiaddrs()]).toEqual([[], []])
  fails = false
  await engine.start()
  expect(await engine.multiaddrs()).toHaveLength(2)
  await engine.stop()
  expect(await engine.multiaddrs()).toEqual([])
})

test('a peer on both networks is one peer, one subscriber and one recipient, and stays linked until its last link ends', async () => {
  const networks: [MemoryNetwork, MemoryNetwork] = [createMemoryNetwork(), createMemoryNetwork()]
  const [here, there] = [await bridgeOf(networks), await bridgeOf(networks)]
  for (const { engine } of [here, there]) await engine.start()
  await dial(here.one, there.one)
  await dial(here.other, there.other)
  await there.engine.subscribe('orders')
  expect(await here.engine.peers()).toHaveLength(1)
  expect(await here.engine.subscribers('orders')).toEqual([there.engine.peerId])
  const signed = await here.engine.sign([{ topic: 'orders', data: Buffer.from('one') }])
  expect(await here.engine.send(signed)).toEqual([1])
  await here.one.hangUp(there.engine.peerId)
  expect(await here.engine.peers()).toHaveLength(1)
  expect(await here.engine.send(signed)).toEqual([1])
  await here.other.hangUp(there.engine.peerId)
  expect(await here.engine.peers()).toEqual([])
})

test('each network knows of the messages that wait for earlier ones of their author', async () => {
  const handlers: Inbound[] = []
  const networks: [MemoryNetwork, MemoryNetwork] = [createMemoryNetwork(), createMemoryNetwork()]
  const { engine } = await bridgeOf(networks, (side) => ({ ...side, receive: (inbound) => void handlers.push(inbound) }))
  const [one, other] = [storedMessage(1), storedMessage(2)]
  engine.receive({ onMessage: async () => 'accept', isHeld: (message) => message === one })
  const [without, last] = handlers
  expect([one, other].map((message) => last?.isHeld?.(message))).toEqual([true, false])
  expect(without?.isHeld).toBeUndefined()
})

test('each message is told with the network that brought it', async () => {
  const networks: [MemoryNetwork, MemoryNetwork] = [createMemoryNetwork(), createMemoryNetwork()]
  const { engine, one, other } = await bridgeOf(networks)
  const brought: Array<unknown> = []
  engine.receive({
    async onMessage(message, network) {
      brought.push([Buffer.from(message.data).toString(), network])
      return 'ignore'
    },
  })
  await engine.start()
  await engine.subscribe('orders')
  const leaves = [await leafOf(networks[0]), await leafOf(networks[1])]
  for (const [index, leaf] of leaves.entries()) {
    await dial(leaf, index === 0 ? one : other)
    await leaf.send(await leaf.sign([{ topic: 'orders', data: Buffer.from(`of ${index}`) }]))
  }
  await expect
    .poll(() => brought)
    .toEqual([
      ['of 0', 'memory'],
      ['of 1', 'libp2p'],
    ])
})

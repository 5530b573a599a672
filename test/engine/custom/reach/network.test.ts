import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { openCircuit } from '../../../../src/engine/custom/reach/circuit.ts'
import { Network } from '../../../fixtures/circuit-network.ts'

/** Relays and hidden nodes on links without sockets, on a clock of their own; links are cut, relays die and come back, some are hostile. */

beforeEach(() => void vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] }))
afterEach(() => void vi.useRealTimers())

async function grown(seed: number): Promise<Network> {
  const network = new Network(seed)
  for (let step = 0; step < 3; step++) await network.step()
  return network
}

const carried = (network: Network) => network.relays.reduce((sum, { relay }) => sum + relay.size.circuits, 0)

test.each([1, 2, 3, 4, 5, 6, 7, 8])(
  'hidden nodes talk through relays while links are cut and relays die: in order, whole where nothing was cut, nothing left over (seed %i)',
  async (seed) => {
    const network = await grown(seed)
    const { random } = network
    for (let round = 0; round < 150; round++) {
      if (random.chance(0.5)) await network.converse(random.pick(network.hidden), random.pick(network.hidden)).catch(() => undefined)
      for (const conversation of network.open) for (let count = random.below(4); count > 0; count--) network.say(conversation)
      // What was said may still be on its way when something breaks.
      if (random.chance(0.5)) await network.settle()
      const relay = random.pick(network.relays)
      if (!relay.alive) relay.alive = random.chance(0.5)
      else if (random.chance(0.05)) network.kill(relay)
      else if (random.chance(0.2) && relay.links.size > 0) network.cut(relay, network.node(random.pick([...relay.links.keys()])))
      if (random.chance(0.2)) network.open.at(0)?.circuit.close()
      await network.step()
    }
    for (const relay of network.relays) relay.alive = true
    for (let step = 0; step < 10; step++) await network.step()

    const { conversations, open } = network
    expect(conversations.length).toBeGreaterThan(20)
    expect(conversations.length - open.length).toBeGreaterThan(5)
    for (const { sent, received } of conversations) expect(received).toEqual(sent.slice(0, received.length))
    for (const { sent, received } of open) expect(received).toEqual(sent)
    expect(carried(network)).toBe(open.length)
    for (const { reachability } of network.hidden) {
      expect(reachability.state).toBe('hidden')
      expect(reachability.relays).toHaveLength(2)
    }
    for (const { reachability, links } of network.relays) if (links.size > 0) expect(reachability.state).toBe('direct')
    for (const { circuit } of open) circuit.close()
    await network.settle()
    expect(carried(network)).toBe(0)
  },
)

test('a relay that dies takes its circuits along, and its nodes are reached through others', async () => {
  const network = await grown(1)
  const [from, to] = [network.node('node 0'), network.node('node 1')]
  for (const relay of network.relays) network.link(from, relay)
  const conversation = await network.converse(from, to)
  if (conversation === undefined) throw new Error('they have no relay in common')
  network.kill(network.node(conversation.via))
  await network.settle()
  expect(conversation.closed).toBe(true)
  await network.step()
  expect(to.reachability.relays).toHaveLength(2)
  expect(to.reachability.relays).not.toContain(conversation.via)
  const again = await network.converse(from, to)
  if (again === undefined) throw new Error('they have no relay in common')
  network.say(again)
  await network.settle()
  expect(again.received).toEqual(again.sent)
})

test('hostile nodes that open all the circuits they can leave room for the others, and reach nobody who did not ask for it', async () => {
  const network = await grown(2)
  const hostile = network.hidden.slice(0, 4)
  for (const node of hostile) {
    for (const relay of network.relays) network.link(node, relay)
    for (const [relayId, link] of node.links) {
      // A relay's own offer, from whoever is none: nobody takes it for a circuit.
      node.legs.begin(link, 'offer', 'somebody', silentListener)
      for (const target of network.hidden) {
        const asked = target.reachability.relays.includes(relayId)
        for (let count = 0; count < 4; count++) {
          const opened = await openCircuit(
            (listener) => node.legs.begin(link, 'open', target.id, listener),
            AbortSignal.timeout(20_000),
          ).then(
            () => true,
            () => false,
          )
          if (!asked) expect(opened).toBe(false)
        }
      }
    }
  }
  for (const { relay } of network.relays) expect(relay.size.circuits).toBeLessThanOrEqual(16 * hostile.length)
  const honest = network.hidden.slice(4)
  let talked = 0
  for (const from of honest) {
    for (const to of honest) {
      const conversation = await network.converse(from, to)
      if (conversation === undefined) continue
      network.say(conversation)
      await network.settle()
      expect(conversation.received).toEqual(conversation.sent)
      conversation.circuit.close()
      await network.settle()
      talked++
    }
  }
  expect(talked).toBeGreaterThan(200)
})

const silentListener = { onOpened: () => undefined, onData: () => undefined, onCredit: () => undefined, onClose: () => undefined }

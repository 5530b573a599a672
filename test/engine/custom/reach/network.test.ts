import { setImmediate as nextTurn } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import type { Link } from '../../../../src/engine/custom/link/link.ts'
import { type Circuit, createCircuit, openCircuit } from '../../../../src/engine/custom/reach/circuit.ts'
import { type CircuitEnds, createCircuitEnds } from '../../../../src/engine/custom/reach/circuit-ends.ts'
import { createReachability, type Reachability } from '../../../../src/engine/custom/reach/reachability.ts'
import { createRelay, type Relay } from '../../../../src/engine/custom/reach/relay.ts'
import { createLimitsReached } from '../../../../src/engine/limits-reached.ts'
import { fakeLink } from '../../../fixtures/fake-link.ts'
import { createRandom, type Random } from '../../../fixtures/random.ts'

/** Relays and hidden nodes on links without sockets, on a clock of their own; links are cut, relays die and come back, some are hostile. */

const limits = {
  maxRelayReservations: 64,
  maxRelayStreams: 128,
  relayBytesPerSecond: 100_000_000,
  relayIdleMs: 3_600_000,
  maxRelayBytes: 10_000_000,
  relayMs: 3_600_000,
}
const relayCount = 6
const hiddenCount = 24
/** The direct links that a hidden node keeps, each to a relay. */
const linksPerNode = 4
const stepMs = 5_000

interface Node {
  readonly id: string
  readonly isRelay: boolean
  readonly links: Map<string, Link>
  readonly legs: CircuitEnds
  readonly relay: Relay
  readonly reachability: Reachability
  alive: boolean
}

/** What was sent on a circuit, and what came of it. */
interface Conversation {
  circuit: Circuit
  via: string
  sent: string[]
  received: string[]
  closed: boolean
}

class Network {
  readonly random: Random
  readonly nodes = new Map<string, Node>()
  readonly conversations: Conversation[] = []
  #messages = 0
  now = 0

  constructor(seed: number) {
    this.random = createRandom(seed)
    for (let index = 0; index < relayCount; index++) this.#add(`relay ${index}`, true)
    for (let index = 0; index < hiddenCount; index++) this.#add(`node ${index}`, false)
  }

  get relays(): Node[] {
    return [...this.nodes.values()].filter(({ isRelay }) => isRelay)
  }

  get hidden(): Node[] {
    return [...this.nodes.values()].filter(({ isRelay }) => !isRelay)
  }

  node(id: string): Node {
    const node = this.nodes.get(id)
    if (node === undefined) throw new Error(`there is no ${id}`)
    return node
  }

  #add(id: string, isRelay: boolean): void {
    const links = new Map<string, Link>()
    const onBegin: Parameters<typeof createCircuitEnds>[1]['onBegin'] = (link, role, other, leg) => {
      if (role === 'open') return isRelay ? relay.open(link, other, leg) : 'this node is no relay'
      if (!reachability.relays.includes(link.peerId)) return 'this node has not asked for it'
      leg.opened()
      const circuit = createCircuit(leg)
      this.#onCircuit(circuit)
      return circuit.listener
    }
    const legs = createCircuitEnds({ maxLegsPerLink: 128 }, { onBegin })
    const relay = createRelay({ limits }, { legs: () => legs, linkTo: (peerId) => links.get(peerId), reached: createLimitsReached() })
    const peers = () => [...links.keys()]
    const reachability = createReachability({
      now: () => this.now,
      candidates: () => ['/ip4/198.51.100.7/tcp/7071/ws'],
      dialsBack: peers,
      relays: () => peers().filter((peerId) => this.node(peerId).isRelay),
      askDialBack: async (_peerId, addresses) => addresses.map((multiaddr) => ({ multiaddr, reached: isRelay })),
      async reserve(peerId) {
        if (!network.node(peerId).relay.reserve(id)) throw new Error('full')
      },
      onChange: () => undefined,
    })
    const network = this
    this.nodes.set(id, { id, isRelay, links, legs, relay, reachability, alive: true })
  }

  /** The target writes down what comes, in the conversation that the first message names. */
  #onCircuit(circuit: Circuit): void {
    let conversation: Conversation | undefined
    circuit.on('message', (message) => {
      const text = message.toString()
      if (conversation === undefined) {
        conversation = this.conversations[Number(text)]
        return
      }
      conversation.received.push(text)
    })
    circuit.resume()
  }

  link(one: Node, other: Node): void {
    if (!one.alive || !other.alive || one.links.has(other.id)) return
    const whileLinked = (node: Node, link: () => Link): CircuitEnds => ({
      ...node.legs,
      receive(_link, type, body) {
        // A link that was cut delivers no more.
        if (node.links.get(link().peerId) === link()) node.legs.receive(link(), type, body)
      },
    })
    const ends = fakeLink(
      one.id,
      whileLinked(one, () => ends.here),
      other.id,
      whileLinked(other, () => ends.there),
    )
    one.links.set(other.id, ends.here)
    other.links.set(one.id, ends.there)
  }

  cut(one: Node, other: Node): void {
    for (const [node, peer] of [
      [one, other],
      [other, one],
    ] as const) {
      const link = node.links.get(peer.id)
      if (link === undefined) continue
      node.links.delete(peer.id)
      node.legs.lost(link)
      node.relay.lost(peer.id)
      node.reachability.lost(peer.id)
    }
  }

  kill(node: Node): void {
    for (const peerId of [...node.links.keys()]) this.cut(node, this.node(peerId))
    node.alive = false
  }

  /** Hidden nodes link to relays anew where they have lost some, and everybody looks at how it is reached. */
  async step(): Promise<void> {
    for (const node of this.hidden) {
      const living = this.relays.filter((relay) => relay.alive && !node.links.has(relay.id))
      while (node.links.size < linksPerNode && living.length > 0) {
        const [relay] = living.splice(this.random.below(living.length), 1)
        if (relay !== undefined) this.link(node, relay)
      }
    }
    for (const { alive, reachability } of this.nodes.values()) if (alive) await reachability.step()
    this.now += stepMs
    await this.settle()
  }

  /** Lets everything on its way arrive. */
  async settle(): Promise<void> {
    for (let turn = 0; turn < 5; turn++) await nextTurn()
  }

  /** Opens a circuit between two hidden nodes through a relay that the target has asked; undefined when they have no relay in common. */
  async converse(from: Node, to: Node): Promise<Conversation | undefined> {
    const via = to.reachability.relays.find((relay) => from.links.has(relay))
    const over = via === undefined ? undefined : from.links.get(via)
    if (via === undefined || over === undefined || from === to) return undefined
    const circuit = await openCircuit((listener) => from.legs.begin(over, 'open', to.id, listener), AbortSignal.timeout(20_000))
    const conversation: Conversation = { circuit, via, sent: [], received: [], closed: false }
    circuit.once('close', () => {
      conversation.closed = true
    })
    circuit.resume()
    circuit.send(Buffer.from(String(this.conversations.push(conversation) - 1)), { binary: true })
    return conversation
  }

  say(conversation: Conversation): void {
    const text = `message ${this.#messages++}`
    conversation.sent.push(text)
    conversation.circuit.send(Buffer.from(text), { binary: true })
  }

  get open(): Conversation[] {
    return this.conversations.filter(({ closed }) => !closed)
  }
}

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

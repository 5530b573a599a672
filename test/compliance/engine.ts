import { describe, expect, onTestFinished, test } from 'vitest'
import type { EngineEvent, P2PEngine } from '../../src/engine/engine.ts'
import {
  AddressUnsupported,
  DialFailed,
  PeerBlocked,
  PeerNotConnected,
  PeerUnreachable,
  ProtocolUnsupported,
  SelfDial,
} from '../../src/errors.ts'
import { openDirect } from '../../src/model/direct-message.ts'
import { parseMultiaddr, peerIdOf } from '../../src/model/peer.ts'
import { messageId, type SignedMessage, sequenceNumber, verifyMessage } from '../../src/model/signed-message.ts'
import type { Verdict } from '../../src/model/verdict.ts'

/**
 * Creates engines that can reach each other. `create` returns one that is not started; with a seed, one with that key.
 */
export interface EngineNetwork {
  create(seed?: Uint8Array): Promise<P2PEngine>
}

/** An engine and all its events. */
interface Node {
  engine: P2PEngine
  events: EngineEvent[]
  received: SignedMessage[]
  address(): Promise<string>
}

const signal = AbortSignal.timeout(600_000)
const data = (text: string) => Buffer.from(text)
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()
const texts = (messages: SignedMessage[]) => messages.map((message) => Buffer.from(message.data).toString())

/** Tests every sentence of the P2PEngine contract. */
export function describeEngine(name: string, createNetwork: () => EngineNetwork): void {
  describe(`the ${name} engine`, () => {
    let network: EngineNetwork

    async function createNode(
      options: { seed?: Uint8Array; verdict?: (message: SignedMessage) => Promise<Verdict>; start?: boolean } = {},
    ): Promise<Node> {
      const engine = await network.create(options.seed)
      const events: EngineEvent[] = []
      const received: SignedMessage[] = []
      engine.listen((event) => events.push(event))
      engine.receive({
        async onMessage(message) {
          received.push(message)
          return (await options.verdict?.(message)) ?? 'accept'
        },
      })
      onTestFinished(() => engine.stop())
      if (options.start !== false) await engine.start()
      return { engine, events, received, address: async () => (await engine.multiaddrs())[0] ?? '' }
    }

    async function createNodes(count: number): Promise<Node[]> {
      network = createNetwork()
      return await Promise.all(Array.from({ length: count }, () => createNode()))
    }

    async function pair(): Promise<[Node, Node]> {
      const [a, b] = await createNodes(2)
      if (a === undefined || b === undefined) throw new Error('no nodes')
      return [a, b]
    }

    async function link(a: Node, b: Node): Promise<void> {
      await a.engine.dial(await b.address(), { source: 'rest', signal })
      await expect.poll(async () => (await b.engine.peers()).map(({ peerId }) => peerId)).toContain(a.engine.peerId)
    }

    /** Waits until `a` knows that `b` wants the topic. */
    async function knows(a: Node, b: Node, topic: string): Promise<void> {
      await expect.poll(() => a.engine.subscribers(topic)).toContain(b.engine.peerId)
    }

    async function publish(node: Node, topic: string, ...messages: string[]): Promise<number[]> {
      return await node.engine.send(await node.engine.sign(messages.map((text) => ({ topic, data: data(text) }))))
    }

    describe('identity and lifecycle', () => {
      test('derives the same peer id from the same key', async () => {
        network = createNetwork()
        const seed = new Uint8Array(32).fill(7)
        const node = await createNode({ seed, start: false })
        expect(node.engine.peerId).toBe('12D3KooWRawPbxPtP1eZaJpumGnyWX2DcUyd3RQnydr3eAto4Az7')
      })

      test('has addresses that end in its peer id while it runs, and none otherwise', async () => {
        network = createNetwork()
        const { engine } = await createNode({ start: false })
        expect(await engine.multiaddrs()).toEqual([])
        await engine.start()
        const addresses = await engine.multiaddrs()
        expect(addresses.length).toBeGreaterThan(0)
        for (const address of addresses) expect(peerIdOf(parseMultiaddr(address))).toBe(engine.peerId)
        await engine.stop()
        expect(await engine.multiaddrs()).toEqual([])
      })

      test('may be started twice, stopped twice, and started again', async () => {
        const [a, b] = await pair()
        await a.engine.start()
        await a.engine.stop()
        await a.engine.stop()
        await a.engine.start()
        await link(a, b)
      })

      test('keeps its subscriptions through a stop and a start', async () => {
        const [a, b] = await pair()
        await b.engine.subscribe('orders')
        await b.engine.stop()
        await b.engine.start()
        expect(await b.engine.topics()).toEqual(['orders'])
        await link(a, b)
        await knows(a, b, 'orders')
        await publish(a, 'orders', 'hello')
        await expect.poll(() => texts(b.received)).toEqual(['hello'])
      })

      test('loses its links when it stops', async () => {
        const [a, b] = await pair()
        await link(a, b)
        await a.engine.stop()
        expect(await a.engine.peers()).toEqual([])
        await expect.poll(() => b.engine.peers()).toEqual([])
        expect(b.events).toContainEqual({ type: 'peer:disconnect', peerId: a.engine.peerId })
      })
    })

    describe('links', () => {
      test('dials, and both ends know the other', async () => {
        const [a, b] = await pair()
        const peer = await a.engine.dial(await b.address(), { source: 'rest', signal })
        expect(peer).toMatchObject({
          peerId: b.engine.peerId,
          direction: 'outbound',
          relayed: false,
          agent: expect.any(String),
          isThere: true,
        })
        await expect.poll(() => b.engine.peers()).toMatchObject([{ peerId: a.engine.peerId, direction: 'inbound' }])
        expect(await a.engine.peers()).toMatchObject([{ peerId: b.engine.peerId, direction: 'outbound' }])
        await expect.poll(() => b.events.map(({ type }) => type)).toContain('peer:connect')
        await expect.poll(() => a.events).toContainEqual(expect.objectContaining({ type: 'peer:update' }))
        await expect.poll(async () => (await a.engine.peers())[0]?.agent).toEqual(expect.any(String))
      })

      test('answers the link that is there, and tells of it once', async () => {
        const [a, b] = await pair()
        await link(a, b)
        expect(await a.engine.dial(await b.address(), { source: 'rest', signal })).toMatchObject({ isThere: true })
        expect(await a.engine.peers()).toHaveLength(1)
        expect(a.events.filter(({ type }) => type === 'peer:connect')).toHaveLength(1)
      })

      test('says of a link that is there when it leads elsewhere than to the address', async () => {
        const [a, b] = await pair()
        const gone = await createNode()
        const dead = (await gone.address()).replace(/\/p2p\/[^/]+$/, `/p2p/${b.engine.peerId}`)
        await gone.engine.stop()
        await link(a, b)
        expect(await a.engine.dial(dead, { source: 'rest', signal })).toMatchObject({ peerId: b.engine.peerId, isThere: false })
        // The other end dialled this link.
        expect(await b.engine.dial(await a.address(), { source: 'rest', signal })).toMatchObject({ direction: 'inbound', isThere: false })
      })

      test('shows where a peer can be dialled, and of one that came not where it came from', async () => {
        const [a, b] = await pair()
        await link(a, b)
        const own = await a.engine.multiaddrs()
        const places = own.map((address) => address.replace(/\/p2p\/[^/]+$/, ''))
        await expect.poll(async () => (await b.engine.peers())[0]?.multiaddrs.length).toBeGreaterThan(0)
        for (const address of (await b.engine.peers())[0]?.multiaddrs ?? []) expect(places).toContain(address.replace(/\/p2p\/[^/]+$/, ''))
        for (const { type, ...event } of b.events) {
          if (type !== 'peer:connect' || !('peer' in event)) continue
          for (const address of event.peer.multiaddrs) expect(places).toContain(address.replace(/\/p2p\/[^/]+$/, ''))
        }
      })

      test('does not dial itself, and says that this is for good', async () => {
        const [a] = await pair()
        const address = await a.address()
        for (const own of [address, address.replace(/\/p2p\/[^/]+$/, '')]) {
          const error: unknown = await a.engine.dial(own, { source: 'rest', signal }).catch((reason: unknown) => reason)
          expect(error).toBeInstanceOf(SelfDial)
          expect(error).toMatchObject({ retryable: false })
        }
        expect([await a.engine.peers(), await a.engine.conflicts()]).toEqual([[], []])
      })

      test('refuses an address that it has no transport for, for good', async () => {
        const [a] = await pair()
        const error: unknown = await a.engine.dial('/ip4/127.0.0.1/udp/1', { source: 'rest', signal }).catch((reason: unknown) => reason)
        expect(error).toBeInstanceOf(AddressUnsupported)
        expect(error).toMatchObject({ retryable: false })
      })

      test('dials an address without a peer id', async () => {
        const [a, b] = await pair()
        const address = (await b.address()).replace(/\/p2p\/[^/]+$/, '')
        const peer = await a.engine.dial(address, { source: 'rest', signal })
        expect(peer.peerId).toBe(b.engine.peerId)
      })

      test('says which address nobody answered at, and why', async () => {
        const [a, b] = await pair()
        const address = await b.address()
        await b.engine.stop()
        const error: unknown = await a.engine.dial(address, { source: 'rest', signal }).catch((reason: unknown) => reason)
        expect(error).toBeInstanceOf(DialFailed)
        expect(error).toMatchObject({ errors: [{ path: expect.stringContaining('/'), message: expect.stringMatching(/./) }] })
      })

      test('accepts nobody else than the address names', async () => {
        const [a, b] = await pair()
        const other = await createNode()
        const address = (await b.address()).replace(/\/p2p\/[^/]+$/, `/p2p/${other.engine.peerId}`)
        await expect(a.engine.dial(address, { source: 'rest', signal })).rejects.toThrow(DialFailed)
        expect(await a.engine.peers()).toEqual([])
      })

      test('does not dial when the signal has fired', async () => {
        const [a, b] = await pair()
        const gone = AbortSignal.abort(new Error('gone'))
        await expect(a.engine.dial(await b.address(), { source: 'rest', signal: gone })).rejects.toThrow('gone')
        expect(await a.engine.peers()).toEqual([])
      })

      test('keeps a link that is there by the time its dial is given up', async () => {
        const [a, b] = await pair()
        const givenUp = new AbortController()
        a.engine.listen((event) => {
          if (event.type === 'peer:connect') givenUp.abort(new Error('the link is there'))
        })
        await a.engine.dial(await b.address(), { source: 'rest', signal: givenUp.signal }).catch(() => undefined)
        await b.engine.handle('/test/echo/1', async ({ body }) => body, { maxRequestBytes: 10, maxConcurrent: 1 })
        const answer = await a.engine.request(b.engine.peerId, '/test/echo/1', data('here'), { signal, maxAnswerBytes: 10 })
        expect(text(answer)).toBe('here')
        expect(a.events.map(({ type }) => type)).not.toContain('peer:disconnect')
      })

      test('hangs up, and there is nothing to hang up twice', async () => {
        const [a, b] = await pair()
        await link(a, b)
        await a.engine.hangUp(b.engine.peerId)
        await a.engine.hangUp(b.engine.peerId)
        expect(await a.engine.peers()).toEqual([])
        await expect.poll(() => b.engine.peers()).toEqual([])
        expect(a.events).toContainEqual({ type: 'peer:disconnect', peerId: b.engine.peerId })
      })

      test('pings a connected peer and remembers the round trip', async () => {
        const [a, b] = await pair()
        await link(a, b)
        const latency = await a.engine.ping(b.engine.peerId, { signal })
        expect(latency).toBeGreaterThan(0)
        expect((await a.engine.peers())[0]?.latencyMs).toBeGreaterThan(0)
      })

      test('pings nobody it is not connected to', async () => {
        const [a, b] = await pair()
        await expect(a.engine.ping(b.engine.peerId, { signal })).rejects.toThrow(PeerNotConnected)
      })

      test('closes the links to a blocked peer and refuses new ones both ways, until it is unblocked', async () => {
        const [a, b] = await pair()
        await link(a, b)
        await a.engine.block(b.engine.peerId)
        expect(await a.engine.peers()).toEqual([])
        await expect(a.engine.dial(await b.address(), { source: 'rest', signal })).rejects.toThrow(PeerBlocked)
        await expect.poll(() => b.engine.peers()).toEqual([])
        await expect(b.engine.dial(await a.address(), { source: 'rest', signal })).rejects.toThrow(DialFailed)
        await expect.poll(() => b.engine.peers()).toEqual([])
        expect(await a.engine.peers()).toEqual([])
        await a.engine.unblock(b.engine.peerId)
        await link(a, b)
      })

      test('ends its notices to a listener that asked for it', async () => {
        const [a, b] = await pair()
        const heard: EngineEvent[] = []
        a.engine.listen((event) => heard.push(event))()
        await link(a, b)
        expect(heard).toEqual([])
      })
    })

    describe('publish and subscribe', () => {
      test('subscribes and unsubscribes, any number of times', async () => {
        const [a] = await pair()
        await a.engine.subscribe('orders')
        await a.engine.subscribe('orders')
        expect(await a.engine.topics()).toEqual(['orders'])
        await a.engine.unsubscribe('orders')
        await a.engine.unsubscribe('orders')
        expect(await a.engine.topics()).toEqual([])
      })

      test('knows the subscribed neighbours, and tells of changes', async () => {
        const [a, b] = await pair()
        await link(a, b)
        await b.engine.subscribe('orders')
        await knows(a, b, 'orders')
        expect(a.events).toContainEqual({ type: 'topic:subscribe', peerId: b.engine.peerId, topic: 'orders' })
        await b.engine.unsubscribe('orders')
        await expect.poll(() => a.engine.subscribers('orders')).toEqual([])
        expect(a.events).toContainEqual({ type: 'topic:unsubscribe', peerId: b.engine.peerId, topic: 'orders' })
      })

      test('signs with rising sequence numbers, verifiably, and lets nothing leave', async () => {
        const [a, b] = await pair()
        await b.engine.subscribe('orders')
        await link(a, b)
        await knows(a, b, 'orders')
        const messages = await a.engine.sign(['1', '2', '3'].map((text) => ({ topic: 'orders', data: data(text) })))
        expect(messages.map(({ from }) => from)).toEqual([a.engine.peerId, a.engine.peerId, a.engine.peerId])
        const numbers = messages.map(({ sequence }) => sequenceNumber(sequence))
        expect(numbers).toEqual(numbers.toSorted((x, y) => (x < y ? -1 : 1)))
        expect(await Promise.all(messages.map(verifyMessage))).toEqual([true, true, true])
        await publish(a, 'orders', 'sent')
        await expect.poll(() => texts(b.received)).toEqual(['sent'])
      })

      test('signs messages to one peer with numbers of the same row', async () => {
        const [a, b] = await pair()
        const sign = async (text: string) => await openDirect(await a.engine.signDirect({ to: b.engine.peerId, data: data(text) }))
        const first = await sign('one')
        const [between] = await a.engine.sign([{ topic: 'orders', data: data('published') }])
        const last = await sign('two')
        expect([first.from, first.to, Buffer.from(first.data).toString()]).toEqual([a.engine.peerId, b.engine.peerId, 'one'])
        const numbers = [first, between, last].map((message) => sequenceNumber(message?.sequence ?? data('')))
        expect(numbers).toEqual([...new Set(numbers)].toSorted((x, y) => (x < y ? -1 : 1)))
      })

      test('delivers what is sent, in order, with everything that was signed', async () => {
        const [a, b] = await pair()
        await b.engine.subscribe('orders')
        await link(a, b)
        await knows(a, b, 'orders')
        const signed = await a.engine.sign(Array.from({ length: 200 }, (_, index) => ({ topic: 'orders', data: data(`message ${index}`) })))
        expect(await a.engine.send(signed)).toEqual(signed.map(() => 1))
        await expect.poll(() => b.received.length).toBe(200)
        expect(texts(b.received)).toEqual(texts(signed))
        for (const [index, message] of b.received.entries()) {
          expect(messageId(message.from, message.sequence)).toBe(messageId(signed[index]?.from ?? '', signed[index]?.sequence ?? data('')))
        }
        expect(await Promise.all(b.received.map(verifyMessage))).toEqual(signed.map(() => true))
      })

      test('delivers empty data and any bytes', async () => {
        const [a, b] = await pair()
        await b.engine.subscribe('orders')
        await link(a, b)
        await knows(a, b, 'orders')
        const bytes = Uint8Array.from({ length: 256 }, (_, index) => index)
        await a.engine.send(
          await a.engine.sign([
            { topic: 'orders', data: new Uint8Array() },
            { topic: 'orders', data: bytes },
          ]),
        )
        await expect.poll(() => b.received.length).toBe(2)
        expect(b.received.map((message) => [...message.data])).toEqual([[], [...bytes]])
        expect(await Promise.all(b.received.map(verifyMessage))).toEqual([true, true])
      })

      test('reaches subscribed neighbours whether or not it is subscribed itself, and counts them', async () => {
        const [a, b] = await pair()
        expect(await publish(a, 'orders', 'alone')).toEqual([0])
        await a.engine.subscribe('orders')
        expect(await publish(a, 'orders', 'still alone')).toEqual([0])
        await link(a, b)
        await b.engine.subscribe('orders')
        await knows(a, b, 'orders')
        expect(await publish(a, 'orders', 'together')).toEqual([1])
        await a.engine.unsubscribe('orders')
        expect(await publish(a, 'orders', 'from outside')).toEqual([1])
        await expect.poll(() => texts(b.received)).toEqual(['together', 'from outside'])
        expect(a.received).toEqual([])
      })

      test('delivers a message that is sent again only once', async () => {
        const [a, b] = await pair()
        await b.engine.subscribe('orders')
        await link(a, b)
        await knows(a, b, 'orders')
        const once = await a.engine.sign([{ topic: 'orders', data: data('once') }])
        await a.engine.send(once)
        await a.engine.send(once)
        await publish(a, 'orders', 'after')
        await expect.poll(() => texts(b.received)).toEqual(['once', 'after'])
      })

      test('sends nobody anything while it is stopped', async () => {
        const [a] = await pair()
        const signed = await a.engine.sign([{ topic: 'orders', data: data('x') }])
        await a.engine.stop()
        expect(await a.engine.send(signed)).toEqual([0])
      })

      test('receives only the topics it is subscribed to', async () => {
        const [a, b] = await pair()
        await b.engine.subscribe('orders')
        await link(a, b)
        await knows(a, b, 'orders')
        await publish(a, 'others', 'no')
        await publish(a, 'orders', 'yes')
        await expect.poll(() => texts(b.received)).toEqual(['yes'])
      })
    })

    describe('requests', () => {
      const protocol = '/peergate/test/1.0.0'
      const limits = { maxRequestBytes: 3_000_000, maxConcurrent: 100 }
      const asking = { signal, maxAnswerBytes: 3_000_000 }

      test('carry any bytes there and back, and say who asked', async () => {
        const [a, b] = await pair()
        const asked: string[] = []
        await b.engine.handle(
          protocol,
          async ({ from, body }) => {
            asked.push(from)
            return body.toReversed()
          },
          limits,
        )
        await link(a, b)
        for (const body of [new Uint8Array(), Uint8Array.from({ length: 256 }, (_, index) => index), new Uint8Array(2_500_000).fill(7)]) {
          expect(Buffer.compare(await a.engine.request(b.engine.peerId, protocol, body, asking), body.toReversed())).toBe(0)
        }
        expect(new Set(asked)).toEqual(new Set([a.engine.peerId]))
      })

      test('are answered however many are made as soon as there is a link', async () => {
        const [a, b] = await pair()
        await b.engine.handle(protocol, async ({ body }) => body, limits)
        await a.engine.dial(await b.address(), { source: 'rest', signal })
        const bodies = Array.from({ length: 40 }, (_, index) => data(`${index}`))
        const answers = await Promise.all(bodies.map((body) => a.engine.request(b.engine.peerId, protocol, body, asking)))
        expect(answers.map(text)).toEqual(bodies.map(text))
      })

      test('of a peer that is not admitted get no answer, and are not worked on', async () => {
        const [a, b] = await pair()
        let worked = 0
        const handler = async () => {
          worked++
          return new Uint8Array()
        }
        const admitted = new Set<string>()
        await b.engine.handle(protocol, handler, { ...limits, admits: (from) => admitted.has(from) })
        await link(a, b)
        await expect(a.engine.request(b.engine.peerId, protocol, data('x'), asking)).rejects.toThrow(PeerUnreachable)
        admitted.add(a.engine.peerId)
        await a.engine.request(b.engine.peerId, protocol, data('x'), asking)
        expect(worked).toBe(1)
      })

      test('go both ways on one link, many at once', async () => {
        const [a, b] = await pair()
        await link(a, b)
        for (const { engine } of [a, b]) await engine.handle(protocol, async ({ body }) => body, limits)
        const bodies = Array.from({ length: 20 }, (_, index) => data(`request ${index}`))
        const ask = (from: Node, to: Node) => bodies.map((body) => from.engine.request(to.engine.peerId, protocol, body, asking))
        const answers = await Promise.all([...ask(a, b), ...ask(b, a)])
        expect(answers.map(text)).toEqual([...bodies, ...bodies].map(text))
      })

      test('are refused by name where nobody is there, or speaks the protocol', async () => {
        const [a, b] = await pair()
        await expect(a.engine.request(b.engine.peerId, protocol, data('x'), asking)).rejects.toThrow(PeerNotConnected)
        await link(a, b)
        await expect(a.engine.request(b.engine.peerId, protocol, data('x'), asking)).rejects.toThrow(ProtocolUnsupported)
        await b.engine.handle(protocol, async ({ body }) => body, limits)
        await a.engine.request(b.engine.peerId, protocol, data('x'), asking)
        await b.engine.unhandle(protocol)
        await b.engine.unhandle(protocol)
        await expect(a.engine.request(b.engine.peerId, protocol, data('x'), asking)).rejects.toThrow(ProtocolUnsupported)
      })

      test('get no answer from a handler that fails, for a body or an answer over the limit, or when the link goes', async () => {
        const [a, b] = await pair()
        await link(a, b)
        const waiting = Promise.withResolvers<Uint8Array>()
        await b.engine.handle(
          protocol,
          async ({ body }) => {
            if (text(body) === 'fail') throw new Error('no')
            return text(body) === 'wait' ? await waiting.promise : new Uint8Array(2_000)
          },
          { ...limits, maxRequestBytes: 1_000 },
        )
        const ask = (body: Uint8Array, maxAnswerBytes = 2_000) =>
          a.engine.request(b.engine.peerId, protocol, body, { signal, maxAnswerBytes })
        await expect(ask(data('fail'))).rejects.toThrow(PeerUnreachable)
        await expect(ask(new Uint8Array(1_001))).rejects.toThrow(PeerUnreachable)
        await expect(ask(data('x'), 1_999)).rejects.toThrow(PeerUnreachable)
        expect((await ask(data('x'))).length).toBe(2_000)
        const pending = ask(data('wait'))
        pending.catch(() => undefined)
        await a.engine.ping(b.engine.peerId, { signal })
        await b.engine.hangUp(a.engine.peerId)
        waiting.resolve(data('late'))
        await expect(pending).rejects.toThrow(PeerUnreachable)
      })

      test('beyond the number at once get no answer, and the others do', async () => {
        const [a, b] = await pair()
        await link(a, b)
        const gate = Promise.withResolvers<void>()
        let open = 0
        await b.engine.handle(
          protocol,
          async ({ body }) => {
            open++
            await gate.promise
            return body
          },
          { ...limits, maxConcurrent: 2 },
        )
        const ask = () => a.engine.request(b.engine.peerId, protocol, data('x'), asking)
        const served = [ask(), ask()]
        await expect.poll(() => open).toBe(2)
        await expect(ask()).rejects.toThrow(PeerUnreachable)
        gate.resolve()
        expect((await Promise.all(served)).map(text)).toEqual(['x', 'x'])
        expect(text(await ask())).toBe('x')
      })

      test('beyond the bytes at once get no answer, until others are done', async () => {
        const [a, b] = await pair()
        await link(a, b)
        const gate = Promise.withResolvers<void>()
        let open = 0
        const handler = async () => {
          open++
          await gate.promise
          return new Uint8Array()
        }
        await b.engine.handle(protocol, handler, { ...limits, maxConcurrentBytes: 1_000 })
        const ask = (bytes: number) => a.engine.request(b.engine.peerId, protocol, new Uint8Array(bytes), asking)
        const served = ask(900)
        await expect.poll(() => open).toBe(1)
        await expect(ask(101)).rejects.toThrow(PeerUnreachable)
        const fitting = ask(100)
        await expect.poll(() => open).toBe(2)
        gate.resolve()
        await Promise.all([served, fitting])
        await ask(1_000)
      })

      test('are given up when the signal fires', async () => {
        const [a, b] = await pair()
        await link(a, b)
        await b.engine.handle(protocol, () => new Promise(() => undefined), limits)
        const gone = new AbortController()
        const pending = a.engine.request(b.engine.peerId, protocol, data('x'), { ...asking, signal: gone.signal })
        gone.abort(new Error('gone'))
        await expect(pending).rejects.toThrow('gone')
      })

      test('that are given up are so at the other end too', async () => {
        const [a, b] = await pair()
        await link(a, b)
        const begun = Promise.withResolvers<void>()
        const told = Promise.withResolvers<void>()
        await b.engine.handle(
          protocol,
          ({ signal: over }) => {
            over.addEventListener('abort', () => told.resolve())
            begun.resolve()
            return new Promise(() => undefined)
          },
          limits,
        )
        const gone = new AbortController()
        const pending = a.engine.request(b.engine.peerId, protocol, data('x'), { ...asking, signal: gone.signal })
        await begun.promise
        gone.abort(new Error('gone'))
        await expect(pending).rejects.toThrow('gone')
        await told.promise
      })

      test('are answered again after a stop and a start', async () => {
        const [a, b] = await pair()
        await b.engine.handle(protocol, async ({ body }) => body, limits)
        await b.engine.stop()
        await b.engine.start()
        await link(a, b)
        expect(text(await a.engine.request(b.engine.peerId, protocol, data('x'), asking))).toBe('x')
      })
    })

    describe('the way in', () => {
      test('forwards what was accepted, and neither what was ignored nor what failed', async () => {
        network = createNetwork()
        const a = await createNode()
        const b = await createNode({
          async verdict(message) {
            const text = Buffer.from(message.data).toString()
            if (text === 'fail') throw new Error('the store is away')
            return text === 'ignore' ? 'ignore' : 'accept'
          },
        })
        const c = await createNode()
        await b.engine.subscribe('orders')
        await c.engine.subscribe('orders')
        await link(a, b)
        await link(b, c)
        await knows(a, b, 'orders')
        await knows(b, c, 'orders')
        await publish(a, 'orders', 'ignore', 'fail', 'accept')
        await expect.poll(() => texts(c.received)).toEqual(['accept'])
        expect(texts(b.received)).toEqual(['ignore', 'fail', 'accept'])
      })

      test('does not forward a message before the answer', async () => {
        network = createNetwork()
        const answer = Promise.withResolvers<Verdict>()
        const [a, b, c] = [await createNode(), await createNode({ verdict: () => answer.promise }), await createNode()]
        await b.engine.subscribe('orders')
        await c.engine.subscribe('orders')
        await link(a, b)
        await link(b, c)
        await knows(a, b, 'orders')
        await knows(b, c, 'orders')
        await publish(a, 'orders', 'hello')
        await expect.poll(() => b.received.length).toBe(1)
        expect(c.received).toEqual([])
        answer.resolve('accept')
        await expect.poll(() => texts(c.received)).toEqual(['hello'])
      })

      test('drops what was not signed by its author', async () => {
        const [a, b] = await pair()
        await b.engine.subscribe('orders')
        await link(a, b)
        await knows(a, b, 'orders')
        const [message] = await a.engine.sign([{ topic: 'orders', data: data('genuine') }])
        if (message === undefined) throw new Error('not signed')
        await a.engine.send([{ ...message, data: data('forged!') }])
        await publish(a, 'orders', 'after')
        await expect.poll(() => texts(b.received)).toEqual(['after'])
      })
    })
  })
}

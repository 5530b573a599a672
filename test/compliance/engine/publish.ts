import { describe, expect, test } from 'vitest'
import { openDirect } from '../../../src/model/direct-message.ts'
import { messageId, sequenceNumber, verifyMessage } from '../../../src/model/signed-message.ts'
import { data, type EngineNodes, texts } from './nodes.ts'

/** Subscriptions, signing and sending. */
export function describePublish({ pair, link, knows, publish }: EngineNodes): void {
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

    test('counts what a peer and this node send each other, anew with each link, and has a score of the peer or none', async () => {
      const [a, b] = await pair()
      await b.engine.subscribe('orders')
      await link(a, b)
      await knows(a, b, 'orders')
      const isScore = expect.toSatisfy((score: unknown) => score === null || typeof score === 'number')
      const none = { messagesIn: 0, bytesIn: 0, messagesOut: 0, bytesOut: 0 }
      expect(await a.engine.peers()).toMatchObject([{ traffic: none, score: isScore }])
      await publish(a, 'orders', 'one', 'two', 'three')
      await expect.poll(() => b.received.length).toBe(3)
      const [[atA], [atB]] = [await a.engine.peers(), await b.engine.peers()]
      expect([atA, atB]).toMatchObject([
        { traffic: { ...none, messagesOut: 3, bytesOut: expect.any(Number) } },
        { traffic: { ...none, messagesIn: 3, bytesIn: expect.any(Number) } },
      ])
      for (const bytes of [atA?.traffic.bytesOut, atB?.traffic.bytesIn]) expect(bytes).toBeGreaterThanOrEqual('onetwothree'.length)
      await a.engine.hangUp(b.engine.peerId)
      await expect.poll(() => b.engine.peers()).toEqual([])
      await link(a, b)
      for (const { engine } of [a, b]) expect(await engine.peers()).toMatchObject([{ traffic: none }])
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

    test('reaches subscribed neighbours on more topics than it could join, in all of them', async () => {
      const [a, b] = await pair()
      const topics = Array.from({ length: 300 }, (_, number) => `topic-${number}`)
      await b.engine.subscribe('topic-0')
      await b.engine.subscribe('topic-299')
      await link(a, b)
      await knows(a, b, 'topic-0')
      await knows(a, b, 'topic-299')
      const counts: number[] = []
      for (const topic of [...topics, 'topic-0']) counts.push(...(await publish(a, topic, topic)))
      expect(counts.flatMap((count, index) => (count === 0 ? [] : [index]))).toEqual([0, 299, 300])
      await expect.poll(() => texts(b.received)).toEqual(['topic-0', 'topic-299', 'topic-0'])
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
}

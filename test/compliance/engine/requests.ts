import { describe, expect, test } from 'vitest'
import { PeerNotConnected, PeerUnreachable, ProtocolUnsupported } from '../../../src/errors.ts'
import { data, type EngineNodes, type Node, signal, text } from './nodes.ts'

/** Requests to peers and their handlers. */
export function describeRequests({ pair, link }: EngineNodes): void {
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

    test('are answered by the handler that was set last', async () => {
      const [a, b] = await pair()
      await b.engine.handle(protocol, async () => data('first'), limits)
      await link(a, b)
      await b.engine.handle(protocol, async () => data('second'), limits)
      expect(text(await a.engine.request(b.engine.peerId, protocol, data('x'), asking))).toBe('second')
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
}

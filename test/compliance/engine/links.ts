import { describe, expect, test } from 'vitest'
import type { EngineEvent } from '../../../src/engine/engine.ts'
import { AddressUnsupported, DialFailed, PeerBlocked, PeerNotConnected, SelfDial } from '../../../src/errors.ts'
import { data, type EngineNodes, signal, text } from './nodes.ts'

/** Dials, links, pings and blocks. */
export function describeLinks({ createNode, pair, link }: EngineNodes): void {
  describe('links', () => {
    test('dials, and both ends know the other', async () => {
      const [a, b] = await pair()
      const peer = await a.engine.dial(await b.address(), { source: 'rest', signal })
      expect(peer).toMatchObject({
        peerId: b.engine.peerId,
        direction: 'outbound',
        path: { by: expect.stringMatching(/^(tcp|websocket|quic)$/), via: null, since: expect.any(Number) },
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
      expect(error).toMatchObject({ errors: [{ multiaddr: expect.stringContaining('/'), message: expect.stringMatching(/./) }] })
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
}

import { randomBytes } from 'node:crypto'
import { describe, expect, test } from 'vitest'
import type { EngineEvent, HandleOptions, P2PEngine, RequestOptions } from '../../../src/engine/engine.ts'
import { PeerNotConnected, PeerUnreachable, ProtocolUnsupported } from '../../../src/errors.ts'
import { bridgedNetworks, linkTo, type NodeOptions } from '../../fixtures/bridged-networks.ts'

const protocol = '/peergate/test/1.0.0'
const handled: HandleOptions = { maxRequestBytes: 1_000_000, maxConcurrent: 10, bridged: true }
const signal = AbortSignal.timeout(600_000)
const asking: RequestOptions = { signal, maxAnswerBytes: 1_000_000, bridged: true }
const data = (text: string) => Buffer.from(text)
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()

/** A node of each network, and a bridge that is linked to both. */
async function acrossBridge({ recipient = {}, carrier = {} }: { recipient?: NodeOptions; carrier?: NodeOptions } = {}) {
  const networks = bridgedNetworks()
  const [here, bridge, there] = [await networks.node('custom'), await networks.bridge(carrier), await networks.node('libp2p', recipient)]
  await linkTo(here, bridge)
  await linkTo(there, bridge)
  return { networks, here, bridge, there }
}

const ask = (from: P2PEngine, to: P2PEngine, body: string | Uint8Array = 'x', options: Partial<RequestOptions> = {}) =>
  from.request(to.peerId, protocol, typeof body === 'string' ? data(body) : body, { ...asking, ...options })

describe('a request to a peer of the other network', () => {
  test('is answered through a bridge, both ways; the handler is told the author and the bridge', async () => {
    const { here, bridge, there } = await acrossBridge()
    for (const engine of [here, there])
      await engine.handle(protocol, async ({ from, via, body }) => data(`${from} ${via} ${text(body)}`), handled)
    const events: EngineEvent[] = []
    here.listen((event) => events.push(event))
    expect(text(await ask(here, there, 'hello'))).toBe(`${here.peerId} ${bridge.peerId} hello`)
    expect(text(await ask(there, here, 'hello'))).toBe(`${there.peerId} ${bridge.peerId} hello`)
    expect(events.filter(({ type }) => type === 'peer:bridged')).toEqual([
      { type: 'peer:bridged', peerId: there.peerId, via: bridge.peerId, beyond: [] },
    ])
    const bytes = new Uint8Array(900_000).fill(7)
    await there.handle(protocol, async ({ body }) => body, handled)
    expect(Buffer.compare(await ask(here, there, bytes), bytes)).toBe(0)
  })

  test('takes its turn beside many others, and each gets its own answer', async () => {
    const { here, there } = await acrossBridge()
    await there.handle(protocol, async ({ body }) => body, { ...handled, maxConcurrent: 100 })
    const bodies = Array.from({ length: 50 }, (_, number) => `request ${number}`)
    expect((await Promise.all(bodies.map((body) => ask(here, there, body)))).map(text)).toEqual(bodies)
  })

  test('goes on the link when there is one', async () => {
    const { networks, bridge } = await acrossBridge()
    const [here, there] = [await networks.node('custom'), await networks.node('custom')]
    await linkTo(here, bridge)
    await linkTo(here, there)
    await there.handle(protocol, async ({ via }) => data(String(via)), handled)
    expect(text(await ask(here, there))).toBe('undefined')
  })

  test('that does not say `bridged`, or whose handler does not, is refused as without a bridge', async () => {
    const { here, there } = await acrossBridge()
    await there.handle(protocol, async ({ body }) => body, handled)
    await expect(ask(here, there, 'x', { bridged: false })).rejects.toThrow(PeerNotConnected)
    await there.handle(protocol, async ({ body }) => body, { maxRequestBytes: 100, maxConcurrent: 1 })
    await expect(ask(here, there)).rejects.toThrow(ProtocolUnsupported)
    await there.handle(protocol, async ({ body }) => body, handled)
    expect(text(await ask(here, there))).toBe('x')
    await there.unhandle(protocol)
    await expect(ask(here, there)).rejects.toThrow(ProtocolUnsupported)
  })

  test.each([
    ['is not linked to the bridge', 'libp2p', false, 'it has no link to the peer in another network'],
    ['is in the network of the asker', 'custom', true, 'it has no link to the peer in another network'],
  ] as const)('is refused, and nothing of it sent, when the peer %s', async (_, kind, isLinked, reason) => {
    const { networks, here, bridge } = await acrossBridge()
    const other = await networks.node(kind)
    if (isLinked) await linkTo(other, bridge)
    await expect(ask(here, other)).rejects.toThrow(PeerNotConnected)
    await expect(ask(here, other)).rejects.toThrow(`${bridge.peerId}: ${reason}`)
  })

  test('is refused by name when the peer knows nothing of bridges, and without a bridge as ever', async () => {
    const { networks, here, bridge, there } = await acrossBridge()
    const plain = await networks.plainNode('libp2p')
    await linkTo(plain, bridge)
    await expect(ask(here, plain)).rejects.toThrow(`${bridge.peerId}: the peer takes nothing from bridges`)
    await here.hangUp(bridge.peerId)
    await expect(ask(here, there)).rejects.toThrow(new PeerNotConnected('There is no link to this peer; dial it first.'))
  })

  test('is answered by a peer that has restarted, whether or not the bridge has', async () => {
    const seed = randomBytes(32)
    const networks = bridgedNetworks()
    const [here, bridge] = [await networks.node('custom'), await networks.bridge()]
    await linkTo(here, bridge)
    let handlers = 0
    for (const run of ['first', 'second']) {
      const there = await networks.node('libp2p', { seed })
      await linkTo(there, bridge)
      await there.handle(protocol, async () => data(`${run} ${++handlers}`), handled)
      expect(text(await ask(here, there))).toBe(`${run} ${handlers}`)
      await there.stop()
    }
    const there = await networks.node('libp2p', { seed })
    await there.handle(protocol, async ({ body }) => body, handled)
    await bridge.stop()
    await bridge.start()
    for (const each of [here, there]) await linkTo(each, bridge)
    expect(text(await ask(here, there))).toBe('x')
    expect(handlers).toBe(2)
  })

  test('is given up at both ends when the signal fires', async () => {
    const { here, there } = await acrossBridge()
    const [begun, told] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
    await there.handle(
      protocol,
      ({ signal: over }) => {
        over.addEventListener('abort', () => told.resolve())
        begun.resolve()
        return new Promise(() => undefined)
      },
      handled,
    )
    const gone = new AbortController()
    const pending = ask(here, there, 'x', { signal: gone.signal })
    await begun.promise
    gone.abort(new Error('gone'))
    await expect(pending).rejects.toThrow('gone')
    await told.promise
  })

  test('of a blocked author gets no answer, and none is sent to a blocked peer', async () => {
    const { here, there } = await acrossBridge()
    await there.handle(protocol, async ({ body }) => body, handled)
    await here.block(there.peerId)
    await expect(ask(here, there)).rejects.toThrow(new PeerNotConnected('There is no link to this peer.'))
    await here.unblock(there.peerId)
    expect(text(await ask(here, there))).toBe('x')
    await there.block(here.peerId)
    await expect(ask(here, there)).rejects.toThrow(PeerUnreachable)
    await there.unblock(here.peerId)
    expect(text(await ask(here, there))).toBe('x')
  })
})

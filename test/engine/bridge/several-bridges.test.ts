import { randomBytes } from 'node:crypto'
import { describe, expect, onTestFinished, test, vi } from 'vitest'
import { type Carry, decodeCarried, decodeCarry, encodeCarried, encodeCarry, maxBridgesOnWay } from '../../../src/engine/bridge/carry.ts'
import { bridgeProtocol } from '../../../src/engine/bridge/protocols.ts'
import type { EngineEvent, P2PEngine } from '../../../src/engine/engine.ts'
import { PeerNotConnected, PeerUnreachable } from '../../../src/errors.ts'
import { bridgedNetworks, linkTo, type NetworkName } from '../../fixtures/bridged-networks.ts'

const protocol = '/peergate/test/1.0.0'
const handled = { maxRequestBytes: 1_000, maxConcurrent: 100, bridged: true }
const signal = AbortSignal.timeout(600_000)
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()
const nameOf = (place: number): NetworkName => `${place % 2 === 0 ? 'custom' : 'libp2p'}${place}`
const between = (place: number) => ({ between: [nameOf(place), nameOf(place + 1)] satisfies [NetworkName, NetworkName] })

async function serve(node: P2PEngine): Promise<void> {
  await node.handle(protocol, async ({ from, via, body }) => Buffer.from(`${from} ${via} ${text(body)}`), handled)
}

const ask = (from: P2PEngine, to: P2PEngine) =>
  from.request(to.peerId, protocol, Buffer.from('hello'), { signal, maxAnswerBytes: 1_000, bridged: true })

/** Networks in a row with a bridge between each and the next, and a node in the first and in the last. */
async function inARow(bridges: number) {
  const networks = bridgedNetworks()
  const row = await Promise.all(Array.from({ length: bridges }, (_, place) => networks.bridge(between(place))))
  const [here, there] = [await networks.node(nameOf(0)), await networks.node(nameOf(bridges))]
  const all = [here, ...row, there]
  for (const [place, node] of all.entries()) {
    const next = all[place + 1]
    if (next !== undefined) await linkTo(node, next)
  }
  for (const node of [here, there]) await serve(node)
  return { networks, row, here, there }
}

/** Has a node take what bridges are asked; it answers as the test says. Returns what it was asked. */
async function listening({ engine }: { engine: P2PEngine }, answer: (carry: Carry) => Uint8Array | Promise<Uint8Array>): Promise<Carry[]> {
  const asked: Carry[] = []
  const handler = async ({ body }: { body: Uint8Array }) => {
    const carry = decodeCarry(body)
    asked.push(carry)
    return await answer(carry)
  }
  await engine.handle(bridgeProtocol, handler, { maxRequestBytes: 10_000, maxConcurrent: 100 })
  return asked
}

const noLink = () => encodeCarried({ status: 'no_link' })

describe('a request through several bridges', () => {
  test.each([2, maxBridgesOnWay])('is answered through %i, both ways; the handler is told the author and the last', async (bridges) => {
    const { row, here, there } = await inARow(bridges)
    const events: EngineEvent[] = []
    here.listen((event) => events.push(event))
    expect(text(await ask(here, there))).toBe(`${here.peerId} ${row.at(-1)?.peerId} hello`)
    expect(text(await ask(there, here))).toBe(`${there.peerId} ${row[0]?.peerId} hello`)
    const [via, ...beyond] = row.map(({ peerId }) => peerId)
    expect(events.filter(({ type }) => type === 'peer:bridged')).toEqual([{ type: 'peer:bridged', peerId: there.peerId, via, beyond }])
  })

  test('goes through no more than eight', async () => {
    const { row, here, there } = await inARow(maxBridgesOnWay + 1)
    await expect(ask(here, there)).rejects.toThrow(PeerNotConnected)
    await expect(ask(here, there)).rejects.toThrow(`${row[0]?.peerId}: it has no link to the peer in another network`)
    const [second] = row.slice(1)
    if (second === undefined) throw new Error('no bridge')
    expect(text(await ask(second, there))).toBe(`${second.peerId} ${row.at(-1)?.peerId} hello`)
  })

  test('is asked of a bridge itself, which is an asker as others are', async () => {
    const { row, there } = await inARow(3)
    const [first] = row
    if (first === undefined) throw new Error('no bridge')
    expect(text(await ask(first, there))).toBe(`${first.peerId} ${row[2]?.peerId} hello`)
  })

  test('goes the one way on which the ticket came, and no other bridge sees it', async () => {
    const { networks, row, here, there } = await inARow(2)
    const beside = await networks.idleBridge(between(1))
    const asked = await listening(beside, noLink)
    if (row[0] !== undefined) await linkTo(row[0], beside.engine)
    for (let turn = 0; turn < 3; turn++) await ask(here, there)
    expect(asked.length).toBe(1)
    expect(asked[0]?.search?.hops).toBe(maxBridgesOnWay - 2)
  })

  test('finds another way when a bridge on the way has ended', async () => {
    const { networks, row, here, there } = await inARow(2)
    await ask(here, there)
    const other = await networks.bridge(between(1))
    for (const node of [row[0], there]) if (node !== undefined) await linkTo(other, node)
    await row[1]?.stop()
    await expect(ask(here, there)).rejects.toThrow(PeerUnreachable)
    expect(text(await ask(here, there))).toBe(`${here.peerId} ${other.peerId} hello`)
  })
})

/** Four networks in a ring, a bridge between each and the next, and a node in the first that is linked to both of its bridges. */
async function inARing() {
  const networks = bridgedNetworks()
  const here = await networks.node(nameOf(0))
  const [first, second, third] = [await networks.bridge(between(0)), await networks.bridge(between(1)), await networks.bridge(between(2))]
  const last = await networks.bridge({ between: [nameOf(0), nameOf(3)] })
  const links = [
    [here, first],
    [here, last],
    [first, second],
    [second, third],
    [third, last],
    [last, first],
  ] as const
  for (const [one, other] of links) await linkTo(one, other)
  return { networks, here, first, second, third, last }
}

test('a search passes each bridge once, in a ring too', async () => {
  const { networks, here, second } = await inARing()
  const watcher = await networks.idleBridge(between(2))
  const asked = await listening(watcher, noLink)
  await linkTo(second, watcher.engine)
  await expect(ask(here, await networks.node(nameOf(9)))).rejects.toThrow(PeerNotConnected)
  expect(asked.length).toBe(1)
})

describe('a peer that was searched for in vain', () => {
  async function searchedInVain() {
    vi.useFakeTimers({ toFake: ['performance'] })
    onTestFinished(() => void vi.useRealTimers())
    const { networks, here, row } = await inARow(2)
    const watcher = await networks.idleBridge(between(1))
    const searches = await listening(watcher, noLink)
    if (row[0] !== undefined) await linkTo(row[0], watcher.engine)
    const there = await networks.node(nameOf(2))
    await serve(there)
    await expect(ask(here, there)).rejects.toThrow(PeerNotConnected)
    return { networks, here, row, there, searches }
  }

  test('is searched for again after five seconds, not before', async () => {
    const { here, there, row, searches } = await searchedInVain()
    vi.advanceTimersByTime(4_999)
    await expect(ask(here, there)).rejects.toThrow(`${row[0]?.peerId}: it has no link to the peer in another network`)
    expect(searches.length).toBe(1)
    if (row[1] !== undefined) await linkTo(there, row[1])
    vi.advanceTimersByTime(1)
    expect(text(await ask(here, there))).toBe(`${here.peerId} ${row[1]?.peerId} hello`)
  })

  test('is found at once by a bridge that is linked to it, or that has not been asked', async () => {
    const { networks, here, there } = await searchedInVain()
    const [near, far, next] = [
      await networks.bridge({ between: [nameOf(0), 'libp2p9'] }),
      await networks.bridge(between(0)),
      await networks.bridge(between(1)),
    ]
    const other = await networks.node('libp2p9')
    await serve(other)
    await expect(ask(here, other)).rejects.toThrow(PeerNotConnected)
    await linkTo(here, near)
    await linkTo(other, near)
    expect(text(await ask(here, other))).toBe(`${here.peerId} ${near.peerId} hello`)
    for (const [one, another] of [
      [here, far],
      [far, next],
      [next, there],
    ] as const)
      await linkTo(one, another)
    expect(text(await ask(here, there))).toBe(`${here.peerId} ${next.peerId} hello`)
  })
})

test('a far bridge that brings a false ticket does not hide the peer', async () => {
  const { networks, row, here, there } = await inARow(2)
  const liar = await networks.idleBridge(between(1))
  const asked = await listening(liar, () => encodeCarried({ status: 'answered', envelope: randomBytes(200) }))
  if (row[0] !== undefined) await linkTo(row[0], liar.engine)
  expect(text(await ask(here, there))).toBe(`${here.peerId} ${row[1]?.peerId} hello`)
  expect(asked.length).toBe(1)
})

describe('a route', () => {
  async function carriedBy(bridge: P2PEngine, here: P2PEngine, route: string[], to = here) {
    const carry = encodeCarry({ to: to.peerId, envelope: new Uint8Array(10), timeoutMs: 1_000, route })
    return decodeCarried(await here.request(bridge.peerId, bridgeProtocol, carry, { signal, maxAnswerBytes: 1_000 }))
  }

  test('leads to no bridge twice', async () => {
    const { networks, here, first, second, third, last } = await inARing()
    const there = await networks.node(nameOf(1))
    await linkTo(there, first)
    const round = [second, third, last, first].map(({ peerId }) => peerId)
    expect(await carriedBy(first, here, round.slice(0, 3), there)).toEqual({ status: 'no_link' })
    expect(await carriedBy(first, here, round, there)).toEqual({ status: 'no_link' })
    expect(await carriedBy(last, here, [third.peerId, second.peerId, first.peerId], here)).toEqual({ status: 'unanswered' })
    await expect(carriedBy(first, here, [second.peerId, second.peerId])).rejects.toThrow(PeerUnreachable)
  })

  test('leads over eight bridges at most', async () => {
    const { row, here } = await inARow(1)
    const [first] = row
    if (first === undefined) throw new Error('no bridge')
    const names = Array.from({ length: maxBridgesOnWay }, (_, place) => `bridge-${place}`)
    await expect(carriedBy(first, here, names)).rejects.toThrow(PeerUnreachable)
    expect(await carriedBy(first, here, names.slice(1))).toEqual({ status: 'no_link' })
  })

  test('leads from one network to another, never back', async () => {
    const { networks, row, here } = await inARow(2)
    const beside = await networks.bridge(between(0))
    const [first] = row
    if (first === undefined) throw new Error('no bridge')
    await linkTo(first, beside)
    expect(await carriedBy(first, here, [here.peerId])).toEqual({ status: 'no_link' })
  })
})

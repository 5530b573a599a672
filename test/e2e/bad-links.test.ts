import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { canMakeBadLinks, createBadLink, type LinkRule, linkAddresses } from '../fixtures/bad-link.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { type EngineName, quietEnvironment } from '../fixtures/gateway-process.ts'
import { getInside, inside } from '../fixtures/inside.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const listen = { custom: '/ip4/0.0.0.0/tcp/7071/ws', libp2p: '/ip4/0.0.0.0/tcp/7071', quic: '/ip4/0.0.0.0/udp/7071/quic-v1' }
/** An engine, or libp2p over QUIC. */
type Kind = keyof typeof listen
const topic = 'orders'
const needs = '(needs network namespaces and TUN devices)'

async function startPair(kind: Kind, more: Record<string, string> = {}) {
  const engine: EngineName = kind === 'custom' ? 'custom' : 'libp2p'
  const link = await createBadLink()
  const start = async (side: 0 | 1, env: Record<string, string>) => {
    const under = link.hosts[side]
    const common = { ...quietEnvironment(await temporaryDirectory(), engine), PEERGATE_LISTEN: listen[kind], ...more }
    const { url, peerId } = await gatewayForTest({ ...common, ...env }, under)
    const get = <Body>(path: string) => getInside<Body>(under, url + path)
    return { peerId, get, inside: (action: string, topic: string, count: number) => inside(under, action, url, topic, `${count}`) }
  }
  const left = await start(0, {})
  const address = listen[kind].replace('0.0.0.0', linkAddresses[0])
  const right = await start(1, { PEERGATE_BOOTSTRAP: `${address}/p2p/${left.peerId}` })
  await expect.poll(async () => (await left.get<{ state?: string }>(`/v1/peers/${right.peerId}`)).state).toBe('connected')
  return { link, gateways: [left, right] as const }
}

type Pair = Awaited<ReturnType<typeof startPair>>

/** Clients at both gateways that write down what comes from the other one, and are subscribed. */
async function startReaders({ gateways }: Pair, topic: string, count: number) {
  const readers = gateways.map((gateway) => gateway.inside('delays', topic, count))
  for (const { lines } of readers) await expect.poll(() => lines[0]).toBe('subscribed')
  return readers
}

/** When all have come: the numbers that each reader got, and the delays of all, both sorted. */
async function received(readers: Awaited<ReturnType<typeof startReaders>>) {
  const outputs = await Promise.all(readers.map(async ({ ended }) => (await ended).output.split('\n').slice(1)))
  const column = (lines: string[], index: number) => lines.map((line) => Number(line.split(' ')[index])).toSorted((a, b) => a - b)
  return { numbers: outputs.map((lines) => column(lines, 0)), delays: column(outputs.flat(), 1) }
}

const numbersTo = (count: number) => Array.from({ length: count }, (_, number) => number)

const badLinks: [string, LinkRule][] = [
  ['5 % loss', { lossPercent: 5, delayMs: 10 }],
  ['20 % loss', { lossPercent: 20, delayMs: 10 }],
  ['jitter, order and duplicates', { delayMs: 10, jitterMs: 80, duplicatePercent: 10 }],
]

/** Messages each way in each case, twenty a second. */
const count = 40
/** Milliseconds: TCP then may try again only after as long once more (RFC 6298). */
const cutMs = 15_000
const countWhileCut = 360

test(`every message arrives once over links that lose, delay, reorder and duplicate packets, on either engine ${needs}`, async ({
  skip,
  annotate,
}) => {
  skip(!(await canMakeBadLinks()), 'network namespaces and TUN devices are needed')
  await onEach(['custom', 'libp2p'], async (engine) => {
    const pair = await startPair(engine)
    for (const [name, rule] of badLinks) {
      const readers = await startReaders(pair, name, count)
      await pair.link.set(rule)
      for (const gateway of pair.gateways) gateway.inside('clock', name, count)
      const { numbers, delays } = await received(readers)
      expect(numbers).toEqual([numbersTo(count), numbersTo(count)])
      const faults = await pair.link.set({})
      await annotate(
        `${engine}, ${name}: p50 ${delays[count]} ms, p99 ${delays[2 * count - 2]} ms; packets so far: ${JSON.stringify(faults)}`,
      )
    }
    const { lost, duplicated, overtaken } = await pair.link.set({})
    for (const fault of [lost, duplicated, overtaken]) expect(fault).toBeGreaterThan(10)
  })
})

test(`after ${cutMs / 1_000} s without a network a new link takes the place of the mute one, and nothing is lost, on either engine and over QUIC ${needs}`, async ({
  skip,
  annotate,
}) => {
  skip(!(await canMakeBadLinks()), 'network namespaces and TUN devices are needed')
  await onEach(['custom', 'libp2p', 'quic'], async (kind) => {
    const pair = await startPair(kind)
    const readers = await startReaders(pair, topic, countWhileCut)
    for (const gateway of pair.gateways) gateway.inside('clock', topic, countWhileCut)
    for (const { lines } of readers) await expect.poll(() => lines.length).toBeGreaterThan(5)
    await pair.link.set({ cut: true })
    await delay(cutMs)
    const before = readers.map(({ lines }) => lines.length)
    await pair.link.set({})
    const healedAt = performance.now()
    const back = await Promise.all(
      readers.map(async ({ lines }, index) => {
        await expect.poll(() => lines.length).toBeGreaterThan(before[index] ?? 0)
        return Math.round(performance.now() - healedAt)
      }),
    )
    await annotate(`${kind}: the first messages came ${back.join(' and ')} ms after the network was back`)
    const { numbers } = await received(readers)
    expect(numbers).toEqual([numbersTo(countWhileCut), numbersTo(countWhileCut)])
  })
})

async function onEach(kinds: Kind[], run: (kind: Kind) => Promise<void>): Promise<void> {
  await Promise.all(kinds.map(run))
}

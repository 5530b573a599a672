import { expect } from 'vitest'
import type { MessageView } from '../../src/model/message.ts'
import { decodePayload } from '../../src/model/payload.ts'
import type { StreamClient } from '../fixtures/stream-client.ts'
import type { ForeignPeer, HeardMessage } from './foreign-peer.ts'
import { follow, type GatewaySide, post, untilSubscribed } from './gateway-side.ts'

/** Messages of one direction in each of the two ways. */
const count = 1_000
const perSecond = 200
const messagesOfBurst = 100

/**
 * So many a peer may ignore that never takes a sequence number below one that it has seen: it judges several messages at once, so that two that come
 * 4 ms apart change places when one of its threads is held up. On a machine with three times as much to do as it can, those were 4 in a hundred.
 */
export const overtakenShare = 0.05

/** How many of so many messages the peer may ignore. */
function mayIgnore(peer: ForeignPeer, messages: number): number {
  return peer.ignoresOvertaken ? messages * overtakenShare : 0
}

/** A gateway and a peer that have both joined a topic, and know it of each other. */
export interface Pair {
  readonly gateway: GatewaySide
  readonly peer: ForeignPeer
  readonly topic: string
  /** What the gateway gives to a client. */
  readonly stream: StreamClient
}

/** Has both join, when they are connected or are about to be. */
export async function joinBoth(gateway: GatewaySide, peer: ForeignPeer, topic: string): Promise<Pair> {
  const stream = await follow(gateway, topic)
  await peer.subscribe(topic)
  const pair = { gateway, peer, topic, stream }
  await knowEachOther(pair)
  await untilRouted(pair)
  return pair
}

/**
 * A peer hands its messages to its mesh only, and those that come before the gateway's GRAFT to nobody (go-libp2p-pubsub), which may
 * still be on its way when both know of each other.
 */
export async function untilRouted(pair: Pair): Promise<void> {
  const first = 'the first'
  const before = received(pair, [first]).length
  async function arrived(): Promise<number> {
    await pair.peer.publish(pair.topic, [bytesOf(first)])
    return received(pair, [first]).length
  }
  await expect.poll(arrived, { interval: 100 }).toBeGreaterThan(before)
}

export async function knowEachOther({ gateway, peer, topic }: Omit<Pair, 'stream'>): Promise<void> {
  await untilSubscribed(gateway, topic, 1)
  await expect.poll(() => peer.subscribers(topic)).toContain(gateway.process.peerId)
}

/**
 * In both directions at once, 1,000 messages at 200 a second, then as many in bursts of 100. All have to arrive, once.
 * @returns what was counted, as the table has it
 */
export async function exchange(pair: Pair): Promise<string> {
  const atOnce = numbered('paced')
  const inBursts = numbered('burst')
  await pacedBothWays(pair, atOnce)
  await burstsBothWays(pair, inBursts)
  const [ignored, dropped] = await shortfalls(pair, [...atOnce, ...inBursts])
  return `2 × 1,000 each way${ignored}${dropped}`
}

/** In both directions at once, messages at 200 a second. @returns when all have arrived, each once */
export async function pacedBothWays(pair: Pair, texts: readonly string[]): Promise<void> {
  const { gateway, peer, topic } = pair
  const before = await peer.dropped()
  await Promise.all([
    paced(texts, async (text) => await post(gateway, topic, [bytesOf(text)])),
    paced(texts, async (text) => await peer.publish(topic, [bytesOf(text)])),
  ])
  await Promise.all([untilHeard(pair, texts), untilReceived(pair, texts, { published: texts.length, before })])
}

async function burstsBothWays(pair: Pair, texts: readonly string[]): Promise<void> {
  const { gateway, peer, topic } = pair
  const before = await peer.dropped()

  async function ofGateway(): Promise<void> {
    for (const burst of bursts(texts)) await post(gateway, topic, burst.map(bytesOf))
    await untilHeard(pair, texts)
  }

  /** The next burst goes when the one before is there: what the peer gives up of it is then for its own queue alone. */
  async function ofPeer(): Promise<void> {
    let published = 0
    for (const burst of bursts(texts)) {
      await peer.publish(topic, burst.map(bytesOf))
      published += burst.length
      await untilReceived(pair, texts, { published, before })
    }
  }

  await Promise.all([ofGateway(), ofPeer()])
}

/** Waits until the peer has heard all of these of the gateway, each once; but for a few if it may ignore some. */
async function untilHeard(pair: Pair, texts: readonly string[]): Promise<void> {
  const count = countOf(pair.peer.heard, isHeard(pair, texts))
  await untilMissing(pair, texts, () => texts.length - count())
  const arrived = heard(pair, texts)
  expect(arrived.length).toBe(new Set(arrived).size)
}

/**
 * Waits until no more are missing than the peer may ignore, and none will come any more.
 * @returns how many are missing
 */
export async function untilMissing(pair: Pair, texts: readonly string[], missing: () => number): Promise<number> {
  const { gateway, peer, topic } = pair
  await expect.poll(missing).toBeLessThanOrEqual(mayIgnore(peer, texts.length))
  if (peer.ignoresOvertaken) {
    // What has not come before a later one will not come.
    const last = `the last after ${texts.at(-1)}`
    await post(gateway, topic, [bytesOf(last)])
    await expect.poll(() => heard(pair, [last]).length).toBe(1)
  }
  return missing()
}

/** Waits until the gateway has given its client all of these that have left the peer, each once. */
async function untilReceived(
  pair: Pair,
  texts: readonly string[],
  { published, before }: { published: number; before: number },
): Promise<void> {
  const count = countOf(pair.stream.messages, isReceived(pair, texts))
  await expect.poll(async () => count() + (await pair.peer.dropped()) - before).toBe(published)
  const arrived = received(pair, texts)
  expect(arrived.length).toBe(new Set(arrived).size)
}

/** What did not arrive for a reason that lies within the peer, as the table has it. */
async function shortfalls(pair: Pair, texts: readonly string[]): Promise<[ignored: string, dropped: string]> {
  const ignored = texts.length - heard(pair, texts).length
  const dropped = await pair.peer.dropped()
  return [ignored === 0 ? '' : `; ${ignored} were overtaken within the peer, which then ignored them`, ofQueue(dropped)]
}

/** What the table tells of messages that a peer gave up since its queue was full. */
export function ofQueue(dropped: number): string {
  return dropped === 0 ? '' : `; ${dropped} of its own found the peer's queue to the gateway full`
}

/** Nothing, every byte, and the largest, in both directions. @returns what was tried, as the table has it */
export async function exchangePayloads(pair: Pair, largestBytes: number): Promise<string> {
  const { gateway, peer, topic, stream } = pair
  const everyByte = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte))
  const largest = Buffer.alloc(largestBytes, everyByte)
  for (const payload of [everyByte, Buffer.alloc(0), largest]) {
    await post(gateway, topic, [payload])
    await expect
      .poll(() => peer.heard.filter(({ data }) => data.equals(payload)).length, { message: `${payload.length} bytes to the peer` })
      .toBe(1)
    await peer.publish(topic, [payload])
    const fromPeer = () => stream.messages.filter(({ from }) => from === peer.peerId)
    const same = () => fromPeer().filter(({ data, encoding }) => Buffer.from(decodePayload(data, encoding)).equals(payload))
    await expect.poll(() => same().length, { message: `${payload.length} bytes of the peer` }).toBe(1)
  }
  return `0, 256 and ${largestBytes.toLocaleString('en')} bytes each way`
}

export function numbered(word: string, messages = count): string[] {
  return Array.from({ length: messages }, (_, number) => `${word} ${number}`)
}

type Receiver = Omit<Pair, 'stream'>

/** Those of the texts that the peer has heard of the gateway; a text more than once, if it has. */
export function heard(receiver: Receiver, texts: readonly string[]): string[] {
  return receiver.peer.heard.filter(isHeard(receiver, texts)).map(({ data }) => data.toString())
}

/** How many of the texts the peer has not heard of the gateway yet, whenever it is asked. */
export function unheard(receiver: Receiver, texts: readonly string[]): () => number {
  const left = new Set(texts)
  const fits = isHeard(receiver, texts)
  const take = countOf(receiver.peer.heard, (message) => fits(message) && left.delete(message.data.toString()))
  return () => {
    take()
    return left.size
  }
}

/** Those of the texts that a client of the gateway has received of the peer. */
export function received({ peer, stream }: Pick<Pair, 'peer' | 'stream'>, texts: readonly string[]): string[] {
  return stream.messages.filter(isReceived({ peer }, texts)).map(({ data }) => String(data))
}

function isHeard({ gateway, topic }: Receiver, texts: readonly string[]): (message: HeardMessage) => boolean {
  const wanted = new Set(texts)
  return ({ topic: at, from, data }) => at === topic && from === gateway.process.peerId && wanted.has(data.toString())
}

export function isReceived({ peer }: Pick<Pair, 'peer'>, texts: readonly string[]): (message: MessageView) => boolean {
  const wanted = new Set(texts)
  return ({ from, data }) => from === peer.peerId && wanted.has(String(data))
}

/** How many of a list that grows fit, whenever it is asked: it looks at each of them once, however often it is asked. */
export function countOf<Item>(list: readonly Item[], fits: (item: Item) => boolean): () => number {
  let seen = 0
  let count = 0
  return () => {
    for (const item of list.slice(seen)) if (fits(item)) count++
    seen = list.length
    return count
  }
}

/** Answers that are waited for at a time: more connections would wait to be accepted than a busy system keeps. */
const maxUnanswered = 200

/** Calls with each in turn, so many a second, whether or not the one before has been answered. */
export async function paced(texts: readonly string[], send: (text: string) => Promise<unknown>): Promise<void> {
  const start = performance.now()
  const sending = new Set<Promise<unknown>>()
  for (const [index, text] of texts.entries()) {
    const wait = start + (index / perSecond) * 1_000 - performance.now()
    if (wait > 0) await new Promise((resolve) => setTimeout(resolve, wait))
    if (sending.size >= maxUnanswered) await Promise.race(sending)
    const sent = send(text).finally(() => sending.delete(sent))
    sending.add(sent)
  }
  await Promise.all(sending)
}

/** As many in each as are published at once. */
export function* bursts(texts: readonly string[]): Generator<string[]> {
  for (let start = 0; start < texts.length; start += messagesOfBurst) yield texts.slice(start, start + messagesOfBurst)
}

const bytesOf = (text: string) => Buffer.from(text)

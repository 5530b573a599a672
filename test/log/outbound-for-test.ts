import { vi } from 'vitest'
import type { Bridge, EngineEvent, NetworkKind } from '../../src/engine/engine.ts'
import { defaultLimits } from '../../src/limits.ts'
import type { WayOut } from '../../src/log/network-outbound.ts'
import { createOutbound } from '../../src/log/outbound.ts'
import type { NewMessage } from '../../src/model/message.ts'
import { messageId, sequenceBytes } from '../../src/model/signed-message.ts'
import { silentLog } from '../fixtures/log.ts'
import { createMemoryDisk, createMemoryStore, type MemoryDisk } from '../fixtures/memory-store.ts'

const us = '12D3KooWBhV2jAUWCKRCV2CfkrRQAPfaE9ttLxpcBhZMfEQfMLh2'

let sequence = 0n

/** A message of this node, unless another author is said. */
function message(text: string, more: Partial<NewMessage> = {}): NewMessage {
  const from = more.from ?? us
  const bytes = sequenceBytes(BigInt(Date.now()) * 1_000n + sequence++)
  const base = { from, sequence: bytes, topic: 'orders', data: Buffer.from(text), signature: new Uint8Array(64), receivedAt: Date.now() }
  return { ...base, id: messageId(from, bytes), ...more }
}

/** A network of the test's, and what it was handed. */
export function fakeNetwork(kind: NetworkKind) {
  const engine = {
    subscribers: [] as string[],
    sent: [] as string[],
    isBroken: false,
    /** How many peers take a message; all subscribers when it is not said. */
    takes: undefined as number | undefined,
    /** Messages that a straggler has room for, and what it was fed. */
    room: Number.POSITIVE_INFINITY,
    fed: [] as string[],
    /** How often it was fed. */
    feeds: 0,
    settled: [] as string[],
    held: [] as string[],
    /** The largest data that its peers take. */
    maxBytes: Number.POSITIVE_INFINITY,
    /** Ids of what was handed over and has not left. */
    unsent: [] as string[],
    /** What is kept from a straggler before it has settled. */
    onSettle: undefined as (() => Promise<void>) | undefined,
    listener: (_event: EngineEvent) => undefined as unknown,
    /** Called once while it sends. */
    onSend: undefined as (() => void) | undefined,
    /** Called once while it feeds a straggler. */
    onFeed: undefined as (() => void) | undefined,
    /** Called once when it is asked for subscribers. */
    onSubscribers: undefined as (() => void) | undefined,
  }
  const network: WayOut = {
    kind,
    async send(messages) {
      if (engine.isBroken) throw new Error('broken')
      const takes = engine.takes ?? engine.subscribers.length
      const { onSend } = engine
      engine.onSend = undefined
      onSend?.()
      if (takes > 0) engine.sent.push(...messages.map(({ data }) => Buffer.from(data).toString()))
      return messages.map(() => takes)
    },
    stragglers: {
      hold: (peerId) => void engine.held.push(peerId),
      hasRoom: () => engine.room > 0,
      async send(_peerId, messages) {
        engine.feeds++
        const { onFeed } = engine
        engine.onFeed = undefined
        onFeed?.()
        const taken = messages.slice(0, engine.room)
        engine.room -= taken.length
        engine.fed.push(...taken.map(({ data }) => Buffer.from(data).toString()))
        return taken.length
      },
      settle(peerId) {
        const { onSettle } = engine
        engine.onSettle = undefined
        if (onSettle === undefined) engine.settled.push(peerId)
        else void onSettle()
        return onSettle === undefined
      },
      isTooLarge: ({ data }) => data.length > engine.maxBytes,
      unsent: () => engine.unsent,
    },
    async subscribers() {
      const { onSubscribers } = engine
      engine.onSubscribers = undefined
      onSubscribers?.()
      return engine.subscribers
    },
    listen(listener) {
      engine.listener = listener
      return () => undefined
    },
  }
  return { engine, network }
}

/** Outbound on a log in memory. */
async function outboundOn(networks: WayOut[], bridge: Bridge | undefined, disk: MemoryDisk) {
  const { log } = createMemoryStore(disk)
  const { read } = log
  let rows = 0
  log.read = async (query) => {
    const step = await read.call(log, query)
    rows += step.messages.length
    return step
  }
  const engine = { peerId: us, networks, ...(bridge && { bridge }) }
  const parts = createOutbound({ limits: defaultLimits }, { engine, log, logger: silentLog })
  await parts.start()
  return {
    parts,
    message,
    /** How many messages were read from the log. */
    get rows() {
      return rows
    },
    /** Has the next search for messages fail. */
    failToFind() {
      const { find } = log
      log.find = async () => {
        log.find = find
        throw new Error('away')
      }
    },
    /** Has the next read of messages fail. */
    failToRead() {
      const before = log.read
      log.read = async () => {
        log.read = before
        throw new Error('away')
      }
    },
    mark: (name = '') => log.sentThrough(us + name),
    raise: (name: string, through: number) => log.markSent(us + name, through),
    /** Appends messages and hands them over, as ingest does. */
    async append(...messages: NewMessage[]) {
      const { entries } = await log.append(messages)
      return await parts.send(entries.flatMap(({ message: stored }) => stored ?? []))
    },
    async pass(ms: number) {
      await vi.advanceTimersByTimeAsync(ms)
      // What a tick has begun.
      await parts.send([])
    },
  }
}

/** Outbound on a log in memory, with a network of the test's. */
export async function outbound(disk = createMemoryDisk()) {
  const { engine, network } = fakeNetwork('memory')
  return Object.assign(await outboundOn([network], undefined, disk), { engine })
}

/** The same of a bridge, with two networks of the test's. It carries all topics but `secret`. */
export async function bridgeOutbound(disk = createMemoryDisk()) {
  const [custom, libp2p] = [fakeNetwork('custom'), fakeNetwork('libp2p')]
  const mayCarry = (topic: string) => topic !== 'secret'
  const bridge = { mayCarry, carries: mayCarry, topics: () => [], subscribes: () => false }
  const base = await outboundOn([custom.network, libp2p.network], bridge, disk)
  return Object.assign(base, { custom: custom.engine, libp2p: libp2p.engine })
}

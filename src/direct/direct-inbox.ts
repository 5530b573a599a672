import type { Logger } from 'pino'
import type { P2PEngine } from '../engine/engine.ts'
import { createAuthorQuota } from '../log/author-quota.ts'
import type { Ingest } from '../log/ingest.ts'
import { type DirectMessage, openDirect } from '../model/direct-message.ts'
import { directStatus } from '../model/direct-status.ts'
import { directTopic } from '../model/topic.ts'
import type { PeerStore } from '../store/peer-store.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { decodeBatch, directProtocol, maxRequestBytes } from './direct-protocol.ts'

/** Whose direct messages are taken: everybody's, those of peers that the operator has given a label, or nobody's. */
export type DirectSenders = 'all' | 'known' | 'none'

/** Takes direct messages to this gateway in: into the log, and so to its clients. Each is acknowledged once it is durable. */
export interface DirectInbox {
  start(): Promise<void>
  stop(): Promise<void>
  /** Those that a peer brings, or this gateway itself; answers what became of each (direct-protocol.ts). */
  take(envelopes: Uint8Array[], from: string): Promise<Uint8Array>
}

/** Authors whose whole quota one peer may bring. */
const carriedAuthors = 4

export interface DirectInboxLimits {
  maxMessageBytes: number
  maxDirectBytesPerHour: number
  maxDirectRequests: number
}

export interface DirectInboxComponents {
  engine: Pick<P2PEngine, 'peerId' | 'handle' | 'unhandle'>
  ingest: Pick<Ingest, 'takeDirect'>
  peers: Pick<PeerStore, 'get'>
  metrics: Pick<Metrics, 'receivedDirect'>
  logger: Logger
  /** Wall time, milliseconds since 1970, and age time. */
  now?: () => number
  age?: () => number
}

export function createDirectInbox(
  init: { senders: DirectSenders; limits: DirectInboxLimits },
  components: DirectInboxComponents,
): DirectInbox {
  const { senders, limits } = init
  const { engine, ingest, peers, metrics, logger, now = Date.now, age = now } = components
  const authors = createAuthorQuota({ maxAuthorBytesPerHour: limits.maxDirectBytesPerHour }, { now: age })
  /** Authors cost nothing to make up; a peer may bring those of a few, as a gateway does for the others of its database. */
  const carriers = createAuthorQuota({ maxAuthorBytesPerHour: carriedAuthors * limits.maxDirectBytesPerHour }, { now: age })

  /** Blocked authors too, whoever brings their messages. */
  async function isWelcome(author: string): Promise<boolean> {
    if (author === engine.peerId) return true
    const record = await peers.get(author)
    if (record?.blocked === true) return false
    return senders === 'all' || (senders === 'known' && typeof record?.label === 'string')
  }

  /** What is to be kept, or why it is not. */
  async function examine(envelope: Uint8Array, carrier: string): Promise<DirectMessage | number> {
    const message = await openDirect(envelope).catch((err: unknown) => {
      logger.debug({ err }, 'an envelope that holds no direct message')
      return undefined
    })
    if (message?.to !== engine.peerId) return directStatus.invalid
    if (!(await isWelcome(message.from))) return directStatus.refused
    if (message.data.length > limits.maxMessageBytes) return directStatus.tooLarge
    return message.from === engine.peerId || isWithinQuota(message, carrier) ? message : directStatus.later
  }

  function isWithinQuota({ from, data }: DirectMessage, carrier: string): boolean {
    if (!carriers.take(carrier, directTopic, data.length)) return false
    if (authors.take(from, directTopic, data.length)) return true
    carriers.giveBack(carrier, directTopic, data.length)
    return false
  }

  /** What was not new costs neither its author nor its carrier anything. */
  function giveBack(messages: DirectMessage[], carrier: string, entries: Array<{ known: boolean }> | undefined): void {
    for (const [index, { from, data }] of messages.entries()) {
      if (from === engine.peerId || entries?.[index]?.known === false) continue
      carriers.giveBack(carrier, directTopic, data.length)
      authors.giveBack(from, directTopic, data.length)
    }
  }

  /** In order, and all that can be kept in one transaction, so that none comes before one that was sent before it. */
  async function take(envelopes: Uint8Array[], from: string): Promise<Uint8Array> {
    const examined: Array<DirectMessage | number> = []
    const messages: DirectMessage[] = []
    let entries: Array<{ known: boolean }> | undefined
    try {
      for (const envelope of envelopes) {
        const each = examined.includes(directStatus.later) ? directStatus.later : await examine(envelope, from)
        examined.push(each)
        if (typeof each !== 'number') messages.push(each)
      }
      const times = { receivedAt: now(), storedAt: age() }
      entries = messages.length === 0 ? [] : await ingest.takeDirect(messages.map((each) => ({ ...each, topic: directTopic, ...times })))
    } finally {
      giveBack(messages, from, entries)
    }
    const kept = entries === undefined ? directStatus.later : directStatus.kept
    const statuses = examined.map((each) => (typeof each === 'number' ? each : kept))
    for (const status of statuses) metrics.receivedDirect(status)
    return Uint8Array.from(statuses)
  }

  return {
    take,
    async start() {
      await engine.handle(directProtocol, ({ from, body }) => take(decodeBatch(body), from), {
        maxRequestBytes: maxRequestBytes(limits.maxMessageBytes),
        maxConcurrent: limits.maxDirectRequests,
      })
    },
    async stop() {
      await engine.unhandle(directProtocol)
    },
  }
}

import type { Logger } from 'pino'
import type { P2PEngine } from '../engine/engine.ts'
import type { Limits } from '../limits.ts'
import { createAuthorQuota } from '../log/author-quota.ts'
import type { Ingest } from '../log/ingest.ts'
import { type DirectMessage, openDirect } from '../model/direct-message.ts'
import { directStatus } from '../model/direct-status.ts'
import { directTopic } from '../model/topic.ts'
import type { PeerStore } from '../store/peer-store.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { decodeBatch, directProtocol, maxRequestBytes } from './direct-protocol.ts'

/** Senders of accepted direct messages: all peers, peers with a label, or none. */
export type DirectSenders = 'all' | 'known' | 'none'

/**
 * Appends direct messages to this gateway to the log, where its clients read them. Acknowledges each once it is
 * durable.
 */
export interface DirectInbox {
  start(): Promise<void>
  stop(): Promise<void>
  /** Takes messages from a peer, or from this gateway itself. Returns a status byte for each (direct-protocol.ts). */
  take(envelopes: Uint8Array[], from: string): Promise<Uint8Array>
}

/** One peer may bring messages of up to this many times an author's quota. */
const carriedAuthors = 4

export type DirectInboxLimits = Pick<Limits, 'maxMessageBytes' | 'maxDirectBytesPerHour' | 'maxDirectRequests'>

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
  /**
   * Bounds invented authors, which cost a peer nothing. A gateway brings messages of the other gateways of its
   * database, and a bridge those of another network, so a peer may bring those of a few authors.
   */
  const carriers = createAuthorQuota({ maxAuthorBytesPerHour: carriedAuthors * limits.maxDirectBytesPerHour }, { now: age })

  /** Checks the author, not the peer that brings the message, so that blocked authors are always refused. */
  async function isWelcome(author: string): Promise<boolean> {
    if (author === engine.peerId) return true
    const record = await peers.get(author)
    if (record?.blocked === true) return false
    return senders === 'all' || (senders === 'known' && typeof record?.label === 'string')
  }

  /** Returns the message to store, or the status with which it is refused. */
  async function examine(envelope: Uint8Array, carrier: string): Promise<DirectMessage | number> {
    const message = await openDirect(envelope).catch((err: unknown) => {
      logger.debug({ err }, 'received an envelope without a valid direct message')
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

  /** Returns the quota of messages that were not stored as new, to the author and to the carrier. */
  function giveBack(messages: DirectMessage[], carrier: string, entries: Array<{ known: boolean }> | undefined): void {
    for (const [index, { from, data }] of messages.entries()) {
      if (from === engine.peerId || entries?.[index]?.known === false) continue
      carriers.giveBack(carrier, directTopic, data.length)
      authors.giveBack(from, directTopic, data.length)
    }
  }

  /** Stores the accepted messages in order and in one transaction, so that no message overtakes an earlier one. */
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
      await engine.handle(directProtocol, ({ from, body, via }) => take(decodeBatch(body), via ?? from), {
        maxRequestBytes: maxRequestBytes(limits.maxMessageBytes),
        maxConcurrent: limits.maxDirectRequests,
        bridged: true,
      })
    },
    async stop() {
      await engine.unhandle(directProtocol)
    },
  }
}

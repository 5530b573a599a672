import type { Logger } from 'pino'
import type { Ages } from '../clock/ages.ts'
import { askPeer } from '../engine/ask-peer.ts'
import type { P2PEngine } from '../engine/engine.ts'
import { PeergateError } from '../errors.ts'
import { createDeadline } from '../lib/deadline.ts'
import type { DeliveryView } from '../model/delivery.ts'
import { directStatus } from '../model/direct-status.ts'
import type { Peers } from '../peers/peers.ts'
import type { DeliveryRecord, DeliveryStore } from '../store/delivery-store.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import { deliveryView } from './delivery-view.ts'
import { directProtocol, encodeBatch, maxDirectBatch } from './direct-protocol.ts'

/** Sends queued direct messages to their recipient and records the result of each. */
export interface Courier {
  /**
   * Returns the deliveries that can be sent. Ends those that the disk has damaged, since they would hold up the others.
   */
  soundOf(next: Next): Promise<Queued[]>
  /**
   * Dials the recipient if there is neither a link nor a bridge to it, and sends the batch. Returns the first problem unless all deliveries
   * ended.
   */
  send(recipient: string, batch: Queued[], signal: AbortSignal): Promise<Problem | undefined>
  /** The recipient has connected: ends the dial to it. */
  arrived(recipient: string): void
}

/** Why a batch was not delivered, at which delivery (default the first), and whether the recipient was reached. */
export interface Problem {
  reason: string
  id?: string
  wasReached: boolean
}

type Next = Awaited<ReturnType<DeliveryStore['next']>>
export type Queued = DeliveryRecord & { envelope: Uint8Array }

export interface CourierComponents {
  engine: Pick<P2PEngine, 'peerId' | 'request' | 'peers'>
  peers: Pick<Peers, 'dialPeer'>
  store: Pick<DeliveryStore, 'end' | 'get'>
  /** Accepts messages from this gateway to itself. */
  inbox: { take(envelopes: Uint8Array[], from: string): Promise<Uint8Array> }
  onChange(delivery: DeliveryView): void
  metrics: Pick<Metrics, 'damaged'>
  logger: Logger
  clock: Ages
}

/** @param init.dialMs timeout of a dial in milliseconds */
export function createCourier(init: { dialMs: number; deliveryTimeoutMs: number }, components: CourierComponents): Courier {
  const { engine, peers, store, inbox, onChange, metrics, logger, clock } = components
  const now = () => clock.age()
  const dials = new Map<string, AbortController>()

  async function soundOf(next: Next): Promise<Queued[]> {
    const sound: Queued[] = []
    for (const delivery of next) {
      const { id, envelope } = delivery
      if (envelope !== undefined) {
        sound.push({ ...delivery, envelope })
        continue
      }
      logger.error({ delivery: id }, 'a queued direct message is damaged and cannot be sent')
      metrics.damaged(1)
      const end = { state: 'refused' as const, lastError: 'The message was damaged on the disk of its gateway.', now: now() }
      if (await store.end(id, end)) await tell(id)
    }
    return sound
  }

  async function send(recipient: string, batch: Queued[], signal: AbortSignal): Promise<Problem | undefined> {
    let statuses: Uint8Array
    let wasReached = await isLinked(recipient)
    try {
      const envelopes = batch.map(({ envelope }) => envelope)
      statuses = await hand(recipient, envelopes, signal, async () => {
        await dial(recipient, signal)
        wasReached = true
      })
    } catch (error) {
      if (!(error instanceof PeergateError)) logger.debug({ err: error }, 'direct messages could not be sent')
      return { reason: error instanceof PeergateError ? error.message : 'The recipient could not be reached.', wasReached }
    }
    for (const [index, delivery] of batch.entries()) {
      const status = statuses[index]
      const end = status === undefined ? undefined : ends.get(status)
      if (end === undefined) return { reason: 'The recipient asks to try again later.', id: delivery.id, wasReached }
      if (await store.end(delivery.id, { ...end, now: now() })) await tell(delivery.id)
    }
    return undefined
  }

  async function hand(recipient: string, envelopes: Uint8Array[], stopping: AbortSignal, link: () => Promise<void>): Promise<Uint8Array> {
    if (recipient === engine.peerId) return await inbox.take(envelopes, engine.peerId)
    const asked = { peerId: recipient, protocol: directProtocol, body: encodeBatch(envelopes), link }
    return await askPeer({ request: inTime }, asked, { signal: stopping, maxAnswerBytes: maxDirectBatch, bridged: true })
  }

  /** A request with its own deadline, whatever time the dial took. */
  async function inTime(...[recipient, protocol, body, options]: Parameters<P2PEngine['request']>): Promise<Uint8Array> {
    using deadline = createDeadline(init.deliveryTimeoutMs, [options.signal])
    return await engine.request(recipient, protocol, body, { ...options, signal: deadline.signal })
  }

  /** Dials the recipient, unless it connects by itself meanwhile. */
  async function dial(recipient: string, stopping: AbortSignal): Promise<void> {
    const dialling = new AbortController()
    dials.set(recipient, dialling)
    using deadline = createDeadline(init.dialMs, [stopping, dialling.signal])
    try {
      await peers.dialPeer(recipient, { signal: deadline.signal })
    } catch (error) {
      if (!(await isLinked(recipient))) throw error
    } finally {
      dials.delete(recipient)
    }
  }

  async function isLinked(peerId: string): Promise<boolean> {
    return (await engine.peers()).some((peer) => peer.peerId === peerId)
  }

  async function tell(id: string): Promise<void> {
    const record = await store.get(id)
    if (record !== undefined) onChange(deliveryView(record, clock))
  }

  return { soundOf, send, arrived: (recipient) => dials.get(recipient)?.abort(new Error('the peer has connected')) }
}

/** The statuses that end a delivery. With any other the delivery is tried again. */
const ends = new Map<number, { state: 'delivered' | 'refused'; lastError?: string }>([
  [directStatus.kept, { state: 'delivered' }],
  [directStatus.refused, { state: 'refused', lastError: 'The recipient does not accept messages from this gateway.' }],
  [directStatus.tooLarge, { state: 'refused', lastError: 'The message is too large for the recipient.' }],
  [directStatus.invalid, { state: 'refused', lastError: 'The recipient rejected the message as not valid.' }],
])

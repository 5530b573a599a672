import { encode } from 'cborg'
import { z } from 'zod'
import { decodeCbor } from '../../../lib/cbor.ts'
import { foreignTextSchema } from '../../../model/text.ts'
import { priceOfUseless } from '../link/frame-prices.ts'
import { frameTypes } from '../link/frame-types.ts'
import type { Link } from '../link/link.ts'
import { ProtocolViolation } from '../wire/frame-stream.ts'
import type { SeenAt } from './direct-path.ts'

/**
 * The circuits on links. A circuit has two legs: from its opener over a link to a relay, and from there over another
 * link to its target. Each leg has a number on its link. The listener of a leg is an end of the circuit, or the relay.
 */
export interface CircuitEnds {
  /** Begins a circuit on a link: as its opener (`open`, to a relay) or as the relay (`offer`, to the target). */
  begin(link: Link, role: 'open' | 'offer', peerId: string, listener: CircuitEndListener): CircuitEnd
  /** Asks a relay to show a peer where it sees this node. */
  show(relay: Link, peerId: string): void
  /** Takes a frame of one of the types that are for circuits. @throws ProtocolViolation */
  receive(link: Link, type: number, body: Buffer): void
  /** The link has closed, and all its legs with it. */
  lost(link: Link): void
}

/** The sending side of a leg. */
export interface CircuitEnd {
  opened(): void
  /** Sends a message. False when the link had no room: the message was dropped, and the circuit must end. */
  data(message: Uint8Array): boolean
  /** Grants the other end `bytes` more bytes. */
  credit(bytes: number): void
  /** Idempotent. The listener is not called afterwards. */
  close(reason: string): void
}

/** The receiving side of a leg. */
export interface CircuitEndListener {
  onOpened(): void
  /** The message may share its memory with the rest of its record. @throws ProtocolViolation */
  onData(message: Buffer): void
  onCredit(bytes: number): void
  onClose(reason: string): void
}

export interface CircuitEndsComponents {
  /**
   * A peer wants a circuit to another peer (`open`), or a relay offers one from a peer (`offer`). Returns the listener,
   * or the reason for a refusal.
   */
  onBegin(link: Link, role: 'open' | 'offer', peerId: string, leg: CircuitEnd): CircuitEndListener | string
  /** A peer asks to be shown to another one. Returns the link to that one and what it is told, if it is. */
  onShow(link: Link, peerId: string): { to: Link; at: SeenAt } | undefined
  /** A relay shows where it sees a peer. Returns whether this node waits for it. */
  onSeen(link: Link, peerId: string, at: SeenAt): boolean
}

/** Bytes that an end of a circuit may send without further credit, and so the maximum that a relay holds for it. */
export const circuitWindow = 262_144

const id = z.int().min(0).max(0xffff_ffff)
/** Maximum UTF-16 units of a reason. */
const maxReasonLength = 200
const frameSchema = z.discriminatedUnion('type', [
  z.strictObject({ type: z.literal('open'), id, to: z.string().max(64) }),
  z.strictObject({ type: z.literal('offer'), id, from: z.string().max(64) }),
  z.strictObject({ type: z.literal('opened'), id }),
  z.strictObject({ type: z.literal('show'), to: z.string().max(64) }),
  z.strictObject({ type: z.literal('seen'), from: z.string().max(64), ip: z.string().max(64), port: z.int().min(1).max(65_535) }),
  z.strictObject({ type: z.literal('close'), id, reason: foreignTextSchema(maxReasonLength) }),
])
type CircuitFrame = z.infer<typeof frameSchema>

interface LinkLegs {
  listeners: Map<number, CircuitEndListener>
  next: number
}

export function createCircuitEnds(init: { maxLegsPerLink: number }, components: CircuitEndsComponents): CircuitEnds {
  const links = new Map<Link, LinkLegs>()

  function legsOf(link: Link): LinkLegs {
    const there = links.get(link)
    if (there !== undefined) return there
    // The dialling end of the link uses even numbers, the other end odd ones.
    const fresh = { listeners: new Map<number, CircuitEndListener>(), next: parity(link) }
    links.set(link, fresh)
    return fresh
  }

  function tell(link: Link, frame: CircuitFrame): boolean {
    return link.send(frameTypes.circuit, encode(frame))
  }

  function legOf(link: Link, number: number): CircuitEnd {
    const listeners = legsOf(link).listeners
    return {
      opened: () => void tell(link, { type: 'opened', id: number }),
      data: (message) => link.send(frameTypes.circuitData, numberBytes(number), message),
      credit: (bytes) => void link.send(frameTypes.circuitCredit, numberBytes(number), numberBytes(bytes)),
      close(reason) {
        if (listeners.delete(number)) tell(link, { type: 'close', id: number, reason })
      },
    }
  }

  function onBegin(link: Link, frame: Extract<CircuitFrame, { type: 'open' | 'offer' }>): void {
    const { listeners } = legsOf(link)
    if (frame.id % 2 === parity(link) || listeners.has(frame.id)) throw new ProtocolViolation('the number of a circuit is taken')
    const refused = (reason: string) => tell(link, { type: 'close', id: frame.id, reason })
    if (listeners.size >= init.maxLegsPerLink) {
      refused('too many circuits on this link')
      return
    }
    const leg = legOf(link, frame.id)
    const listener = components.onBegin(link, frame.type, frame.type === 'open' ? frame.to : frame.from, leg)
    if (typeof listener === 'string') refused(listener)
    else listeners.set(frame.id, listener)
  }

  function onShow(link: Link, peerId: string): void {
    const shown = components.onShow(link, peerId)
    if (shown === undefined) link.charge(priceOfUseless(0))
    else tell(shown.to, { type: 'seen', from: link.peerId, ...shown.at })
  }

  function onFrame(link: Link, frame: CircuitFrame, bytes: number): void {
    const { listeners } = legsOf(link)
    switch (frame.type) {
      case 'open':
      case 'offer':
        onBegin(link, frame)
        break
      case 'opened':
        listeners.get(frame.id)?.onOpened()
        break
      case 'close': {
        const listener = listeners.get(frame.id)
        listeners.delete(frame.id)
        listener?.onClose(frame.reason)
        break
      }
      case 'show':
        onShow(link, frame.to)
        break
      case 'seen':
        if (!components.onSeen(link, frame.from, { ip: frame.ip, port: frame.port })) link.charge(priceOfUseless(bytes))
        break
      default:
        frame satisfies never
    }
  }

  return {
    begin(link, role, peerId, listener) {
      const legs = legsOf(link)
      if (legs.listeners.size >= init.maxLegsPerLink) throw new Error('too many circuits on this link')
      const number = legs.next
      legs.next = (number + 2) % 0x1_0000_0000
      legs.listeners.set(number, listener)
      tell(link, role === 'open' ? { type: 'open', id: number, to: peerId } : { type: 'offer', id: number, from: peerId })
      return legOf(link, number)
    },
    show: (relay, peerId) => void tell(relay, { type: 'show', to: peerId }),
    receive(link, type, body) {
      if (type === frameTypes.circuit) {
        onFrame(link, parse(body), body.length)
        return
      }
      if (body.length < 4) throw new ProtocolViolation('a frame of a circuit without its number')
      const listener = links.get(link)?.listeners.get(body.readUInt32BE())
      if (listener === undefined) link.charge(priceOfUseless(body.length))
      if (type === frameTypes.circuitData) listener?.onData(body.subarray(4))
      else if (body.length === 8) listener?.onCredit(body.readUInt32BE(4))
      else throw new ProtocolViolation('not a valid credit')
    },
    lost(link) {
      const listeners = links.get(link)?.listeners
      links.delete(link)
      for (const listener of listeners?.values() ?? []) listener.onClose('the link to the relay was closed')
    },
  }
}

function parity(link: Link): 0 | 1 {
  return link.direction === 'outbound' ? 0 : 1
}

function numberBytes(number: number): Buffer {
  const bytes = Buffer.allocUnsafe(4)
  bytes.writeUInt32BE(number)
  return bytes
}

function parse(bytes: Uint8Array): CircuitFrame {
  try {
    return frameSchema.parse(decodeCbor(bytes, { rejectDuplicateMapKeys: true }))
  } catch (cause) {
    throw new ProtocolViolation('not a valid frame of a circuit', { cause })
  }
}

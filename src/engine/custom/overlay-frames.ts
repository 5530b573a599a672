import type { TrafficCounter } from '../peer-traffic.ts'
import type { Gossip } from './gossip.ts'
import { priceOfControl } from './link/frame-prices.ts'
import { frameTypes } from './link/frame-types.ts'
import type { Link } from './link/link.ts'
import type { Links } from './link/links.ts'
import type { OverlayFrame } from './overlay/frames.ts'
import { decodeControl, encodeControl, messageHead, parseMessageHead } from './wire/overlay-frame.ts'

/** The overlay's frames between the links and the overlay. Counts the messages among them. */
export interface OverlayFrames {
  /** Decodes a frame, and charges the peer for its work. @throws ProtocolViolation */
  read(link: Link, type: number, body: Buffer): OverlayFrame
  /** Queues a frame. False when the peer has no link, or the frame was dropped. */
  send(peerId: string, frame: OverlayFrame): boolean
}

export function createOverlayFrames(components: {
  links: Pick<Links, 'get'>
  gossip: Pick<Gossip, 'open'>
  traffic: Pick<TrafficCounter, 'received' | 'sent'>
}): OverlayFrames {
  const { links, gossip, traffic } = components

  /** Copies the message out of its record, which may be much larger and would live as long. */
  function messageFrame(link: Link, body: Buffer): OverlayFrame {
    const envelope = gossip.open(Buffer.from(body.subarray(1)), link)
    traffic.received(link.peerId, envelope.bytes.length)
    return { type: 'message', ...parseMessageHead(body), envelope }
  }

  return {
    read(link, type, body) {
      const frame = type === frameTypes.control ? decodeControl(body) : messageFrame(link, body)
      link.charge(priceOfControl(frame))
      return frame
    },
    send(peerId, frame) {
      const link = links.get(peerId)
      if (link === undefined) return false
      if (frame.type !== 'message') return link.send(frameTypes.control, encodeControl(frame))
      const { bytes } = frame.envelope
      const isQueued = link.send(frameTypes.message, messageHead(frame), bytes)
      if (isQueued) traffic.sent(peerId, 1, bytes.length)
      return isQueued
    },
  }
}

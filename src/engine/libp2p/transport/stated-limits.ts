import type { Stream } from '@libp2p/interface'
import type { RelayLimits } from '../../relay-bounds.ts'

/**
 * Message fields in which a relay states the limits of a circuit:
 * https://github.com/libp2p/specs/blob/master/relay/circuit-v2.md#protobuf
 */
export const limitFields = { hop: 4, stop: 3 }

/** https://protobuf.dev/programming-guides/encoding/#structure */
const wireTypes = { varint: 0, lengthDelimited: 2 }

type StatedLimits = Pick<RelayLimits, 'maxRelayBytes' | 'relayMs'>

/**
 * Adds the circuit's limits, if any, to the first message on a stream, which libp2p's relay writes. libp2p itself would
 * write milliseconds where the format has seconds, and cut circuits by that value (`defaultDurationLimit` in
 * @libp2p/circuit-relay-v2/src/server/reservation-store.ts, `createLimitedRelay` in src/utils.ts), so it is configured
 * without limits. An appended field belongs to the same message.
 */
export function stateLimits(stream: Stream, field: number, limits: StatedLimits): void {
  const stated = encodeLimits(limits)
  if (stated.length === 0) return
  const { send } = stream
  let isFirst = true
  stream.send = (data) => {
    if (!isFirst) return send.call(stream, data)
    isFirst = false
    const limit = [varint(tag(field, wireTypes.lengthDelimited)), varint(stated.length), stated]
    const message = Buffer.concat([withoutLength(data.subarray()), ...limit])
    return send.call(stream, Buffer.concat([varint(message.length), message]))
  }
}

function encodeLimits({ maxRelayBytes, relayMs }: StatedLimits): Buffer {
  const seconds = Math.max(1, Math.floor(relayMs / 1_000))
  return Buffer.concat([
    ...(relayMs === 0 ? [] : [varint(tag(1, wireTypes.varint)), varint(seconds)]),
    ...(maxRelayBytes === 0 ? [] : [varint(tag(2, wireTypes.varint)), varint(maxRelayBytes)]),
  ])
}

function withoutLength(bytes: Uint8Array): Uint8Array {
  return bytes.subarray(bytes.findIndex((byte) => byte < 128) + 1)
}

function tag(field: number, wireType: number): number {
  return field * 8 + wireType
}

function varint(value: number): Buffer {
  return value < 128 ? Buffer.of(value) : Buffer.concat([Buffer.of((value % 128) + 128), varint(Math.floor(value / 128))])
}

import { bytesField, bytesIn, numberField, numberIn, readFields } from '../protobuf.ts'

/**
 * The messages between a peer and its relay (`HopMessage` of
 * https://github.com/libp2p/specs/blob/master/relay/circuit-v2.md#protobuf), as far as a peer needs them.
 * `@libp2p/circuit-relay-v2` does not export its own.
 */
export interface HopAnswer {
  status: number
  /** Seconds since 1970, by the clock of the relay; 0 in an answer without a reservation. */
  expiresAt: number
  /** Multiaddrs of the relay. */
  addresses: Uint8Array[]
}

export const relayStatus = { ok: 100, connectionFailed: 203, noReservation: 204 } as const

/** Maximum bytes of an answer: addresses of the relay and a signed voucher. */
export const maxHopBytes = 8_192

/** `HopMessage`: its fields, and the types of a message. The type is written although `reserve` is the default value. */
const fields = { type: 1, peer: 2, reservation: 3, status: 5 } as const
const types = { connect: 1, status: 2 } as const
const peerFields = { id: 1 } as const
const reservationFields = { expire: 1, addresses: 2 } as const

export const reserveRequest: Uint8Array = Buffer.of(fields.type * 8, 0)

/** @param peer the multihash of the peer id to connect to */
export function connectRequest(peer: Uint8Array): Uint8Array {
  return Buffer.concat([numberField(fields.type, types.connect), bytesField(fields.peer, bytesField(peerFields.id, peer))])
}

/** @throws Error when the bytes are not an answer of a relay */
export function decodeHopAnswer(bytes: Uint8Array): HopAnswer {
  const message = readFields(bytes)
  if (Number(numberIn(message, fields.type)) !== types.status) throw new Error('not an answer of a relay')
  const reservation = readFields(bytesIn(message, fields.reservation).at(-1) ?? new Uint8Array())
  return {
    status: Number(numberIn(message, fields.status)),
    expiresAt: Number(numberIn(reservation, reservationFields.expire)),
    addresses: bytesIn(reservation, reservationFields.addresses),
  }
}

import { clientKey } from '../access/client-key.ts'
import { createClientShares } from '../access/client-shares.ts'
import type { RateClient } from '../access/rates.ts'
import { Overloaded } from '../errors.ts'

/**
 * Room in memory for what clients have the gateway hold: requests until they are answered, answers until they are taken. Every byte is
 * counted before it is held, and one client has its share of the room at most while others hold any.
 */
export interface ByteRoom {
  /** Takes room until it is disposed of, or none. @throws Overloaded when there is none left, in all or for this client */
  take(client: RateClient, bytes: number): Disposable
  /** Bytes that are held, with what each holding costs beside them. */
  readonly bytes: number
}

export interface ByteRoomInit {
  max: number
  /** The largest thing that is ever held: everybody's share has room for it. */
  largest: number
  limits: { clientSharePercent: number }
  /** What to say when there is no room. */
  full: string
}

/** Bytes that each thing held costs beside its own: the objects of a request or a frame. */
export const holdingBytes = 2_048
/** Milliseconds after which a client may try again. */
const retryAfterMs = 1_000

export function createByteRoom({ max, largest, limits, full }: ByteRoomInit): ByteRoom {
  const least = Math.ceil(((largest + holdingBytes) * 100) / limits.clientSharePercent)
  const shares = createClientShares({ max: Math.max(max, least), limits })

  return {
    take(client, bytes) {
      const key = clientKey(client)
      const taken = shares.take(key, bytes + holdingBytes)
      if (taken !== undefined) return taken
      const whose = shares.refusal(key, bytes + holdingBytes) === 'share' ? 'those of this client' : 'those of all clients'
      throw new Overloaded(`${full}, ${whose}.`, { retryAfterMs })
    },
    get bytes() {
      return shares.total
    },
  }
}

export interface ByteLimits {
  clientSharePercent: number
  maxRequestBytes: number
  maxAnswerBytes: number
  maxBodyBytes: number
  maxFrameBytes: number
  maxReadBytes: number
  maxMessageBytes: number
}

/** Bytes that an answer without messages may have: a page of peers or of audit entries, the contract. */
const smallestAnswerRoom = 2_097_152
/** An answer in JSON per byte of data: base64, and what stands around it. */
const jsonFactor = 2

export function createByteRooms({ limits }: { limits: ByteLimits }): { requestBytes: ByteRoom; answerBytes: ByteRoom } {
  return {
    requestBytes: createByteRoom({
      limits,
      max: limits.maxRequestBytes,
      largest: Math.max(limits.maxBodyBytes, limits.maxFrameBytes),
      full: 'Too many bytes of requests are being read or wait for their answer',
    }),
    answerBytes: createByteRoom({
      limits,
      max: limits.maxAnswerBytes,
      largest: jsonFactor * Math.max(limits.maxReadBytes + limits.maxMessageBytes, smallestAnswerRoom),
      full: 'Too many bytes of answers have not been taken yet',
    }),
  }
}

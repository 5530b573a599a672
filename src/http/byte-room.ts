import { clientKey } from '../access/client-key.ts'
import { createClientShares } from '../access/client-shares.ts'
import type { RateClient } from '../access/rates.ts'
import { Overloaded } from '../errors.ts'
import type { Limits } from '../limits.ts'

/**
 * Memory for the data of clients: requests until they are answered, responses until they are read. Every byte is
 * counted before it is held. One client can have its share of the room while others hold any.
 */
export interface ByteRoom {
  /** Takes room until the result is disposed of. @throws Overloaded when no room is left, in all or for this client */
  take(client: RateClient, bytes: number): Disposable
  /** Bytes held, including the overhead of each holding. */
  readonly bytes: number
}

export interface ByteRoomInit {
  max: number
  /** Bytes of the largest holding, which every share has room for. */
  largest: number
  limits: Pick<Limits, 'clientSharePercent'>
  /** Error text when no room is left. */
  full: string
}

/** Overhead of each holding, in bytes: the objects of a request or a frame. */
export const holdingBytes = 2_048
/** Retry hint for clients, in milliseconds. */
const retryAfterMs = 1_000

export function createByteRoom({ max, largest, limits, full }: ByteRoomInit): ByteRoom {
  const least = Math.ceil(((largest + holdingBytes) * 100) / limits.clientSharePercent)
  const shares = createClientShares({ max: Math.max(max, least), limits })

  return {
    take(client, bytes) {
      const key = clientKey(client)
      const taken = shares.take(key, bytes + holdingBytes)
      if (taken !== undefined) return taken
      const whose = shares.refusal(key, bytes + holdingBytes) === 'share' ? 'for this client' : 'for all clients together'
      throw new Overloaded(`${full}, ${whose}.`, { retryAfterMs })
    },
    get bytes() {
      return shares.total
    },
  }
}

export type ByteLimits = Pick<
  Limits,
  'clientSharePercent' | 'maxRequestBytes' | 'maxAnswerBytes' | 'maxBodyBytes' | 'maxFrameBytes' | 'maxReadBytes' | 'maxMessageBytes'
>

/** Maximum bytes of a response without messages: a page of peers or audit entries, or a document of the contract. */
const smallestAnswerRoom = 2_097_152
/** Bytes of JSON per byte of data: base64 and its surroundings. */
const jsonFactor = 2

export function createByteRooms({ limits }: { limits: ByteLimits }): { requestBytes: ByteRoom; answerBytes: ByteRoom } {
  return {
    requestBytes: createByteRoom({
      limits,
      max: limits.maxRequestBytes,
      largest: Math.max(limits.maxBodyBytes, limits.maxFrameBytes),
      full: 'The maximum of bytes in unanswered requests is reached',
    }),
    answerBytes: createByteRoom({
      limits,
      max: limits.maxAnswerBytes,
      largest: jsonFactor * Math.max(limits.maxReadBytes + limits.maxMessageBytes, smallestAnswerRoom),
      full: 'The maximum of bytes in unread responses is reached',
    }),
  }
}

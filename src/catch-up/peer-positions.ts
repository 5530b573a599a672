import { decode, encode } from 'cborg'
import type { Logger } from 'pino'
import { z } from 'zod'
import type { RecordStore } from '../store/record-store.ts'

/** How far the logs of peers were read, by topic: kept in the database, so that a restart goes on where it was. */
export interface PeerPositions {
  /** Cursors of the peer's log. */
  get(peerId: string): Promise<Map<string, string>>
  set(peerId: string, positions: ReadonlyMap<string, string>): Promise<void>
  /** Forgets those that were not set since a time (milliseconds since 1970). */
  forget(before: number): Promise<void>
}

const prefix = 'history/'
const recordSchema = z.object({ at: z.number(), positions: z.array(z.tuple([z.string(), z.string()])) })

export function createPeerPositions(components: { records: RecordStore; logger: Logger; now(): number }): PeerPositions {
  const { records, logger, now } = components

  function read(value: Uint8Array): z.infer<typeof recordSchema> {
    const parsed = recordSchema.safeParse(decode(value))
    if (parsed.success) return parsed.data
    logger.warn({ err: parsed.error }, 'how far the log of a peer was read is not readable; it is read anew')
    return { at: 0, positions: [] }
  }

  return {
    async get(peerId) {
      const value = await records.get(prefix + peerId)
      return new Map(value === undefined ? [] : read(value).positions)
    },
    async set(peerId, positions) {
      await records.write([{ key: prefix + peerId, value: encode({ at: now(), positions: [...positions] }) }])
    },
    async forget(before) {
      const old = (await records.list(prefix)).filter(({ value }) => read(value).at < before)
      await records.write(old.map(({ key }) => ({ key })))
    },
  }
}

import { decode, encode } from 'cborg'
import type { Logger } from 'pino'
import { z } from 'zod'
import type { RecordStore } from '../store/record-store.ts'

/** The positions in the logs of peers, by topic. Stored in the database, so that a restart resumes there. */
export interface PeerPositions {
  /** Cursors of the peer's log. */
  get(peerId: string): Promise<Map<string, string>>
  set(peerId: string, positions: ReadonlyMap<string, string>): Promise<void>
  /** Deletes positions that were last set before a time (milliseconds since 1970). */
  forget(before: number): Promise<void>
}

const prefix = 'history/'
const recordSchema = z.object({ at: z.number(), positions: z.array(z.tuple([z.string(), z.string()])) })

export function createPeerPositions(components: { records: RecordStore; logger: Logger; now(): number }): PeerPositions {
  const { records, logger, now } = components

  function read(value: Uint8Array): z.infer<typeof recordSchema> {
    const parsed = recordSchema.safeParse(decode(value))
    if (parsed.success) return parsed.data
    logger.warn({ err: parsed.error }, 'the stored position in the log of a peer is not valid; the log is read from the start')
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

import type { Logger } from 'pino'
import { StoreUnavailable } from '../errors.ts'
import { createSerial } from '../lib/serial.ts'
import type { PeerSighting, PeerStore } from '../store/peer-store.ts'

/** What was seen of peers on its way into the store: written behind, in batches, since a network in motion tells much at once. */
export interface Sightings {
  note(sighting: PeerSighting): void
  /** Resolves once everything noted before the call was written, or refused by the store, which is logged. */
  flush(): Promise<void>
}

/** Sightings wait so long for others to share their transaction. */
const writeDelayMs = 1_000
/** Beyond it the newest are dropped: a peer that matters is seen again. */
const maxWaiting = 5_000
const maxBatch = 200

export function createSightings(components: { store: Pick<PeerStore, 'save'>; logger: Logger }): Sightings {
  const { store, logger } = components
  const waiting: PeerSighting[] = []
  const inTurn = createSerial()
  let timer: NodeJS.Timeout | undefined

  async function write(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.splice(0, maxBatch)
      try {
        await store.save(batch)
      } catch (err) {
        logger.warn({ err, sightings: batch.length }, 'what was seen of peers could not be stored')
        if (!(err instanceof StoreUnavailable)) await writeApart(batch)
      }
    }
  }

  /** One that the store refuses does not take the others with it. */
  async function writeApart(batch: PeerSighting[]): Promise<void> {
    for (const sighting of batch) {
      await store
        .save([sighting])
        .catch((err: unknown) => logger.warn({ err, peerId: sighting.peerId }, 'what was seen of a peer could not be stored'))
    }
  }

  function flush(): Promise<void> {
    clearTimeout(timer)
    timer = undefined
    return inTurn(write)
  }

  return {
    note(sighting) {
      if (waiting.length >= maxWaiting) return
      waiting.push(sighting)
      timer ??= setTimeout(flush, writeDelayMs)
    },
    flush,
  }
}

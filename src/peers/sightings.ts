import type { Logger } from 'pino'
import { StoreUnavailable } from '../errors.ts'
import { createWriteBehind } from '../lib/write-behind.ts'
import type { PeerSighting, PeerStore } from '../store/peer-store.ts'

/**
 * A write-behind buffer of sightings of peers. It writes in batches, since a changing network brings many sightings at
 * once.
 */
export interface Sightings {
  note(sighting: PeerSighting): void
  /** Resolves once every earlier sighting was written, or refused by the store, which is logged. */
  flush(): Promise<void>
}

/** How long a sighting waits for others to share its transaction. */
const writeDelayMs = 1_000
/** Sightings in the buffer. Newer ones beyond it are dropped: a peer that matters is seen again. */
const maxWaiting = 5_000
const maxBatch = 200

export function createSightings(components: { store: Pick<PeerStore, 'save'>; logger: Logger }): Sightings {
  const { store, logger } = components
  const waiting: PeerSighting[] = []
  const writes = createWriteBehind(
    { delayMs: writeDelayMs },
    { write, onError: (err) => logger.warn({ err }, 'sightings of peers could not be stored') },
  )

  async function write(): Promise<void> {
    while (waiting.length > 0) {
      const batch = waiting.splice(0, maxBatch)
      try {
        await store.save(batch)
      } catch (err) {
        logger.warn({ err, sightings: batch.length }, 'sightings of peers could not be stored')
        if (!(err instanceof StoreUnavailable)) await writeApart(batch)
      }
    }
  }

  /** Writes each sighting by itself, so that one which the store refuses does not lose the others. */
  async function writeApart(batch: PeerSighting[]): Promise<void> {
    for (const sighting of batch) {
      await store
        .save([sighting])
        .catch((err: unknown) => logger.warn({ err, peerId: sighting.peerId }, 'a sighting of a peer could not be stored'))
    }
  }

  return {
    note(sighting) {
      if (waiting.length >= maxWaiting) return
      waiting.push(sighting)
      writes.later()
    },
    flush: writes.flush,
  }
}

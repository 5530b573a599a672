import type { EngineLimit } from '../model/engine-limits.ts'
/** Counts how often each limit made an engine refuse or cut something since it was created. */
export interface LimitsReached {
  note(limit: EngineLimit): void
  readonly counts: Readonly<Record<EngineLimit, number>>
}

export function createLimitsReached(): LimitsReached {
  const counts = {
    ...{ request_place: 0, body_refused: 0, body_given_up: 0, told_dial: 0, unread_link: 0, frame_flood: 0, dht_record: 0 },
    ...{ link: 0, link_share: 0, relay_reservation: 0, relay_circuit: 0, peer_message_size: 0 },
  }
  return { counts, note: (limit) => void counts[limit]++ }
}

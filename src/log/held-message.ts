import type { Expected } from './expected.ts'

/** A message that waits for earlier ones of its author. */
export interface HeldMessage {
  readonly sequence: bigint
  /** By running time: the end of its wait, and that of its wait for messages that are being fetched. */
  readonly until: number
  readonly last: number
  /** Whether live messages are waited for as well. */
  readonly isLive: boolean
  /** Expected messages that come together with this one. */
  readonly beside: ReadonlySet<string>
  letGo(): void
}

/** Whether the message waits on while this earlier one is being fetched. */
export function prolongs({ id, sequence, by }: Expected, held: HeldMessage): boolean {
  if (sequence >= held.sequence || held.beside.has(id)) return false
  return held.isLive || [...by.values()].some((fetch) => fetch?.requested.has(id) === true)
}

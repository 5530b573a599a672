import type { Seq } from '../model/cursor.ts'
import type { Retention } from '../model/retention.ts'

export interface TopicStore {
  /**
   * Joined topics and topics with messages, without the topic of direct messages; ordered by name (code points), after
   * the name `after`.
   */
  list(query: { after?: string; limit: number }): Promise<TopicRecord[]>
  get(topic: string): Promise<TopicRecord | undefined>
  /** Joined topics, ordered by name. */
  joined(): Promise<string[]>
  /**
   * Notes that a client joined the topic, or uses it again, at this time (milliseconds since 1970). False when the
   * topic was already joined by any client. An explicit join stays explicit. For a topic with a hundred joins, only
   * explicit ones are added.
   */
  join(topic: string, at: number, by: { client: string; explicit: boolean }): Promise<boolean>
  /** All joins, oldest first. */
  joins(): Promise<TopicJoin[]>
  /** Notes that a client used these topics at this time. Topics that it has not joined are ignored. */
  used(client: string, topics: string[], at: number): Promise<void>
  /**
   * Ends joins that are not explicit and match all given conditions: client, topic, last use. A topic without joins is
   * no longer joined. Returns whether any topic changed.
   */
  giveUp(which: { client?: string; topic?: string; usedBefore?: number }): Promise<boolean>
  /**
   * Sets the topic's retention, joined or not: each field is a limit of its own, or null for the default. Omitted
   * fields stay.
   */
  retain(topic: string, retention: Partial<OwnRetention>): Promise<void>
  /** Removes all joins of the topic; false when there were none. Its messages stay. */
  leave(topic: string): Promise<boolean>
}

/** Times in milliseconds since 1970. */
export interface TopicJoin {
  topic: string
  /** `clientKey`; empty when unknown. */
  client: string
  /** Stays until the topic is left. */
  explicit: boolean
  joinedAt: number
  usedAt: number
}

/** A topic's own limits; null is the default. */
export type OwnRetention = { [Field in keyof Retention]: number | null }

export interface TopicRecord {
  topic: string
  joined: boolean
  /** Start of the current unbroken join; null when not joined. */
  joinedAt: number | null
  /** Retained messages, and the bytes of their data. */
  messages: number
  bytes: number
  /** Position before the oldest retained message, and seq of the newest; both 0 for an empty topic. */
  earliest: Seq
  latest: Seq
  retention: OwnRetention
}

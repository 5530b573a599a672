import type { Seq } from '../model/cursor.ts'
import type { Retention } from '../model/retention.ts'

export interface TopicStore {
  /** Joined topics and topics with messages (but not what direct messages lie in), by name (in the order of their code points), those after the name `after`. */
  list(query: { after?: string; limit: number }): Promise<TopicRecord[]>
  get(topic: string): Promise<TopicRecord | undefined>
  /** Joined topics, by name. */
  joined(): Promise<string[]>
  /**
   * Notes that a client has joined the topic, or uses it again, at this time (milliseconds since 1970); answers false when the topic was joined
   * already, by whomever. What was joined explicitly once stays so. Of a topic that a hundred have joined no more are noted, but for explicit joins.
   */
  join(topic: string, at: number, by: { client: string; explicit: boolean }): Promise<boolean>
  /** Who has joined what, the oldest joins first. */
  joins(): Promise<TopicJoin[]>
  /** Notes that what a client has joined was used at this time. What it has not joined stays so. */
  used(client: string, topics: string[], at: number): Promise<void>
  /**
   * Ends joins that are not explicit: of a client, of a topic, that were not used since a time; all conditions together. A topic that nobody
   * has joined then is no longer joined. Answers whether any topic has changed.
   */
  giveUp(which: { client?: string; topic?: string; usedBefore?: number }): Promise<boolean>
  /** Sets what the topic keeps, joined or not: each field a limit of its own, or null for the default. Fields left out stay. */
  retain(topic: string, retention: Partial<OwnRetention>): Promise<void>
  /** Notes that nobody has joined it any more; answers false when nobody had. Its messages stay. */
  leave(topic: string): Promise<boolean>
}

/** Times in milliseconds since 1970. */
export interface TopicJoin {
  topic: string
  /** `clientKey`; empty where it is not known. */
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
  /** Since when it has been joined without a break; null when it is not. */
  joinedAt: number | null
  /** Retained messages, and the bytes of their data. */
  messages: number
  bytes: number
  /** Position before the oldest retained message, and number of the newest; both 0 when there is none. */
  earliest: Seq
  latest: Seq
  retention: OwnRetention
}

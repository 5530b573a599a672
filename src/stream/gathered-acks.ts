import { maxAckedIds } from '../model/consumer.ts'
import type { Grant } from '../model/grant.ts'
import type { Client } from './client.ts'
import type { FrameId } from './client-frames.ts'
import type { FrameOf } from './frame-data.ts'

/** Acknowledgements of one client that are settled together: frames that differ only in their ids and in what they name. */
export interface AckGroup {
  readonly client: Client
  readonly grant: Grant
  readonly consumer: string
  readonly verdict: 'ack' | 'drop'
  readonly by: 'ids' | 'claims'
  /** What all its frames name, in their order. At most `maxAckedIds`. */
  readonly names: string[]
  readonly frames: Array<{ id: FrameId | undefined; names: string[] }>
}

/**
 * Gathers the acknowledgements of each client that come in one turn of the event loop. A worker that acknowledges each
 * message by itself sends a hundred frames in one packet: they cost one settlement.
 */
export interface GatheredAcks {
  /** Resolves or rejects as `settle` does for its group. Undefined when the frame has to be carried out by itself: `flush` first. */
  add(frame: FrameOf<'ack'>, client: Client): Promise<void> | undefined
  /** Settles what the client has gathered before a frame that has to come after it. */
  flush(client: Client): void
}

interface Gathering {
  group: AckGroup
  begin(): void
  done: Promise<void>
}

export function createGatheredAcks(components: { settle(group: AckGroup): Promise<void> }): GatheredAcks {
  const { settle } = components
  const gathering = new Map<Client, Gathering>()

  function start(group: AckGroup): Gathering {
    const { promise: turn, resolve: begin } = Promise.withResolvers<void>()
    const started = { group, begin, done: turn.then(() => settle(group)) }
    gathering.set(group.client, started)
    process.nextTick(() => {
      if (gathering.get(group.client) === started) flush(group.client)
    })
    return started
  }

  function flush(client: Client): void {
    gathering.get(client)?.begin()
    gathering.delete(client)
  }

  return {
    flush,
    add({ id, consumer, ids, claims, verdict = 'ack' }, client) {
      const names = ids ?? claims
      if ((verdict !== 'ack' && verdict !== 'drop') || names === undefined || (ids !== undefined && claims !== undefined)) return undefined
      const group: AckGroup = {
        ...{ client, grant: client.grant, consumer, verdict, by: ids === undefined ? 'claims' : 'ids' },
        ...{ names: [], frames: [] },
      }
      let into = gathering.get(client)
      if (into === undefined || !isSameKind(into.group, group) || into.group.names.length + names.length > maxAckedIds) {
        flush(client)
        into = start(group)
      }
      into.group.names.push(...names)
      into.group.frames.push({ id, names })
      return into.done
    },
  }
}

function isSameKind(one: AckGroup, other: AckGroup): boolean {
  return one.consumer === other.consumer && one.verdict === other.verdict && one.by === other.by && one.grant === other.grant
}

import { createSilence } from '../../silence.ts'
import { frameTypes } from './frame-types.ts'
import type { Requests } from './requests.ts'
import type { SecureChannel } from './secure-channel.ts'

/**
 * The end of a link in favour of another one to the same peer. Each end sends `moved`, and from then on only what
 * belongs to requests in progress. When both have moved and no request is left, the link closes. So nothing is lost,
 * also on a circuit, which has no closing handshake.
 */
export interface GivingWay {
  /** This node moves. Idempotent. */
  begin(): void
  /** The peer has moved. Returns false when it said so before. */
  onMoved(): boolean
  /** A request has ended. */
  onIdle(): void
  /** The link is closed. */
  stop(): void
  /** Whether this node has moved. */
  readonly hasBegun: boolean
  /** Resolves when all that the peer sent here instead of on the other link was taken, or the link is closed. */
  readonly moved: Promise<void>
}

/** Milliseconds between looks at a link whose peer has not moved. */
const lookMs = 500
/** Looks without a sign of life, and in all, after which the link is closed as it is: two seconds and ten. */
const maxSilentLooks = 4
const maxLooks = 20

export interface GivingWayComponents {
  channel: Pick<SecureChannel, 'close' | 'drained' | 'lastHeard' | 'takeAll' | 'write'>
  requests: Pick<Requests, 'isIdle'>
}

export function createGivingWay({ channel, requests }: GivingWayComponents): GivingWay {
  const moved = Promise.withResolvers<void>()
  const stopping = new AbortController()
  const silence = createSilence(() => channel.lastHeard)
  let hasBegun = false
  let looks = 0
  let hasPeerMoved = false
  let isClosing = false
  let watch: NodeJS.Timeout | undefined

  function close(): void {
    clearInterval(watch)
    channel.close({ drained: true })
  }

  /** Closes a link whose peer does not move: it is dead, or has never counted this link. */
  function look(): void {
    if (silence.look() > maxSilentLooks || ++looks > maxLooks) close()
  }

  async function closeWhenDone(): Promise<void> {
    if (isClosing || !hasBegun || !hasPeerMoved || !requests.isIdle) return
    isClosing = true
    // A circuit drops what waits for credit when it is closed.
    await channel.drained(0, stopping.signal).catch(() => undefined)
    close()
  }

  return {
    begin() {
      if (hasBegun) return
      hasBegun = true
      silence.look()
      channel.takeAll()
      channel.write(frameTypes.moved)
      if (!hasPeerMoved) watch = setInterval(look, lookMs)
      void closeWhenDone()
    },
    onMoved() {
      if (hasPeerMoved) return false
      hasPeerMoved = true
      clearInterval(watch)
      moved.resolve()
      void closeWhenDone()
      return true
    },
    onIdle: () => void closeWhenDone(),
    stop() {
      clearInterval(watch)
      stopping.abort()
      moved.resolve()
    },
    get hasBegun() {
      return hasBegun
    },
    moved: moved.promise,
  }
}

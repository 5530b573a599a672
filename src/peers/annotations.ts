import { InvalidPeerId, PeerLimit } from '../errors.ts'
import { omitUndefined } from '../lib/omit-undefined.ts'
import type { Limits } from '../limits.ts'
import type { PeerStore } from '../store/peer-store.ts'
import type { Blocks } from './blocks.ts'

/** What a client says of a peer; what is undefined stays as it is. */
export interface Annotation {
  /** null takes the label away. */
  label?: string | null | undefined
  blocked?: boolean | undefined
}

/**
 * Writes the labels and blocks of peers. They stay until they are taken away, and may be of peers that do not exist: so
 * the peers that have one are bounded.
 */
export interface Annotations {
  /** @throws InvalidPeerId, PeerLimit */
  set(peerId: string, annotation: Annotation): Promise<void>
}

export function createAnnotations(
  init: { ownPeerId: string; limits: Pick<Limits, 'maxAnnotatedPeers'> },
  components: { store: Pick<PeerStore, 'get' | 'annotate' | 'countAnnotated'>; blocks: Pick<Blocks, 'set' | 'inTurn'> },
): Annotations {
  const { ownPeerId } = init
  const { maxAnnotatedPeers: max } = init.limits
  const { store, blocks } = components

  async function requireRoom(peerId: string): Promise<void> {
    const known = await store.get(peerId)
    if (known?.blocked === true || typeof known?.label === 'string') return
    if ((await store.countAnnotated(max)) >= max) throw new PeerLimit(`At most ${max} peers can be labelled or blocked.`)
  }

  return {
    set(peerId, { label, blocked }) {
      return blocks.inTurn(async () => {
        if (peerId === ownPeerId) throw new InvalidPeerId('This peer id is that of the gateway itself.')
        if (blocked === true || typeof label === 'string') await requireRoom(peerId)
        await store.annotate(peerId, omitUndefined({ label, blocked }))
        if (blocked !== undefined) await blocks.set(peerId, blocked)
      })
    },
  }
}

import type { Link } from './link.ts'

/** The links that count: one per peer. */
export interface Links {
  get(peerId: string): Link | undefined
  readonly all: Iterable<Link>
  readonly size: number
  /**
   * Adds a link whose peer has said hello. Both ends keep the same one of two links: the later dial of one dialling
   * end, else the dial of the peer with the smaller id. A direct link replaces one through a relay. The link of a
   * restarted peer replaces its old link, which is dead. Returns the link that counts now, and the link that it
   * replaced.
   */
  add(link: Link): { kept: Link; replaced?: Link }
  /** Returns whether the link counted. */
  remove(link: Link): boolean
  /** Tells every linked peer what has changed about this node; those with which links are being made, once they count. */
  update(): void
}

export function createLinks(init: { peerId: string }): Links {
  const links = new Map<string, Link>()
  /** The last change, in milliseconds since the epoch: links that were made before, and count later, have said another hello. */
  let updatedAt = 0

  function dialler(link: Link): string {
    return link.direction === 'outbound' ? init.peerId : link.peerId
  }

  /** Whether the new link replaces the old one. */
  function givesWay(there: Link, next: Link): boolean {
    if (there.hello.instance !== next.hello.instance) return true
    if (there.isRelayed !== next.isRelayed) return there.isRelayed
    // Not by order of arrival: two simultaneous dials may arrive in another order at the other end.
    if (dialler(there) === dialler(next)) return next.dial >= there.dial
    const [smaller] = [init.peerId, next.peerId].toSorted()
    return dialler(next) === smaller
  }

  return {
    get: (peerId) => links.get(peerId),
    get all() {
      return links.values()
    },
    get size() {
      return links.size
    },
    add(link) {
      const there = links.get(link.peerId)
      if (there !== undefined && !givesWay(there, link)) return { kept: there }
      links.set(link.peerId, link)
      if (updatedAt >= link.path.since) link.update()
      return there === undefined ? { kept: link } : { kept: link, replaced: there }
    },
    remove(link) {
      return links.get(link.peerId) === link && links.delete(link.peerId)
    },
    update() {
      updatedAt = Date.now()
      for (const link of links.values()) link.update()
    },
  }
}

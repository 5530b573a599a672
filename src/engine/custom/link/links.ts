import type { Link } from './link.ts'

/** The links that count: one to each peer. */
export interface Links {
  get(peerId: string): Link | undefined
  readonly all: Iterable<Link>
  readonly size: number
  /**
   * Takes a link whose peer has said hello. Of two links to one peer, both ends keep the same: of one dialler the one that it dialled
   * later, of two the one that the peer with the smaller id dialled; but a direct one replaces one through a relay. A peer that was started anew replaces its old link, which nobody answers on.
   * Answers the link that counts now, and the one that gave way to it.
   */
  add(link: Link): { kept: Link; replaced?: Link }
  /** Answers whether it was one that counts. */
  remove(link: Link): boolean
}

export function createLinks(init: { peerId: string }): Links {
  const links = new Map<string, Link>()

  function dialler(link: Link): string {
    return link.direction === 'outbound' ? init.peerId : link.peerId
  }

  /** Whether the newer link is to be kept. */
  function givesWay(there: Link, next: Link): boolean {
    if (there.hello.instance !== next.hello.instance) return true
    if (there.isRelayed !== next.isRelayed) return there.isRelayed
    // Not by when they came: two that were dialled at the same time come in one order here, and may in another at the other end.
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
      return there === undefined ? { kept: link } : { kept: link, replaced: there }
    },
    remove(link) {
      return links.get(link.peerId) === link && links.delete(link.peerId)
    },
  }
}

import type { DialPolicy } from '../dial/policy.ts'
import type { WatchedLink } from '../silent-links.ts'
import type { Hello } from './link/hello.ts'
import type { Link, LinkView } from './link/link.ts'
import { tellerOf } from './link/teller-of.ts'

/** What other parts of the gateway are shown of links. */
export interface LinkViews {
  /** Omits addresses that lead to other hosts and that the dial policy does not let the peer tell. */
  viewOf(link: Link): LinkView
}

export function createLinkViews({ policy }: { policy: Pick<DialPolicy, 'mayTell'> }): LinkViews {
  const hiddenAddresses = new WeakMap<Hello, ReadonlySet<string>>()

  /** Judged once for each hello, since views are asked for often. */
  function hiddenOf(link: Link): ReadonlySet<string> {
    const judged = hiddenAddresses.get(link.hello)
    if (judged !== undefined) return judged
    const teller = tellerOf(link)
    const hidden = new Set(link.hello.multiaddrs.filter((address) => !policy.mayTell(address, teller)))
    hiddenAddresses.set(link.hello, hidden)
    return hidden
  }

  return {
    viewOf(link) {
      const { view } = link
      const hidden = hiddenOf(link)
      return hidden.size === 0 ? view : { ...view, multiaddrs: view.multiaddrs.filter((address) => !hidden.has(address)) }
    },
  }
}

/** A link as the watch on silent links sees it. */
export function watchedOf(link: Link): WatchedLink {
  return {
    peerId: link.peerId,
    multiaddr: `${link.dialledAt ?? link.remote}/p2p/${link.peerId}`,
    get heardAt() {
      return link.heardAt
    },
    ping: (signal) => link.ping(signal),
    cut: () => link.cut(),
  }
}

/**
 * A topic's neighbours at this node (Plumtree §3.8): messages are pushed to eager ones and announced to lazy ones.
 * Pruning leaves the links on which messages arrived first, which together form a tree.
 */
export interface Tree {
  readonly eager: ReadonlySet<string>
  readonly lazy: ReadonlySet<string>
  readonly size: number
  has(peerId: string): boolean
  add(peerId: string, mode: 'eager' | 'lazy'): void
  remove(peerId: string): void
  /** Returns whether the mode changed. Ignores a peer that is not a neighbour in the topic. */
  makeEager(peerId: string): boolean
  makeLazy(peerId: string): boolean
}

export function createTree(): Tree {
  const eager = new Set<string>()
  const lazy = new Set<string>()

  return {
    eager,
    lazy,
    get size() {
      return eager.size + lazy.size
    },
    has: (peerId) => eager.has(peerId) || lazy.has(peerId),
    add(peerId, mode) {
      eager.delete(peerId)
      lazy.delete(peerId)
      if (mode === 'eager') eager.add(peerId)
      else lazy.add(peerId)
    },
    remove(peerId) {
      eager.delete(peerId)
      lazy.delete(peerId)
    },
    makeEager(peerId) {
      if (!lazy.delete(peerId)) return false
      eager.add(peerId)
      return true
    },
    makeLazy(peerId) {
      if (!eager.delete(peerId)) return false
      lazy.add(peerId)
      return true
    },
  }
}

/**
 * A topic's part of the broadcast tree at this node (Plumtree §3.8): to eager neighbours messages are pushed, lazy ones are told of them.
 * Pruning leaves the links over which messages came first, which together are a tree.
 */
export interface Tree {
  readonly eager: ReadonlySet<string>
  readonly lazy: ReadonlySet<string>
  readonly size: number
  has(peerId: string): boolean
  add(peerId: string, mode: 'eager' | 'lazy'): void
  remove(peerId: string): void
  /** Nothing happens to who is no neighbour in the topic. Answers whether something changed. */
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

import { covers } from './topic-pattern.ts'

/**
 * Who follows which pattern, found by topic: a tree of levels, whose branches grow only where many patterns share their
 * first levels. So a topic is compared with few patterns, however many there are, and a pattern takes little more memory
 * than its text.
 */
export interface PatternIndex<Follower> {
  add(pattern: string, follower: Follower): void
  delete(pattern: string, follower: Follower): void
  /**
   * Calls `found` with the followers of each pattern that matches the topic. Returns the number of comparisons, or
   * undefined when more than `max` are needed: then it may not have found all.
   */
  match(topic: string, max: number, found: (follower: Follower) => void): number | undefined
  readonly patterns: number
}

/** Patterns that a node holds before it gets branches. It loses them when half as many are left in them. */
const maxUnsorted = 8

interface Node<Follower> {
  /** Patterns that have all levels of the path to this node, and are not in a branch. */
  patterns: Map<string, Set<Follower>>
  /** By the next level, which may be `*` or `>`. */
  branches: Map<string, Node<Follower>> | undefined
  /** Patterns here and in the branches. */
  size: number
}

export function createPatternIndex<Follower>(): PatternIndex<Follower> {
  const root = createNode<Follower>()
  let patterns = 0

  return {
    get patterns() {
      return patterns
    },
    add(pattern, follower) {
      if (insert(root, pattern, follower)) patterns++
    },
    delete(pattern, follower) {
      if (remove(root, pattern, follower)) patterns--
    },
    match(topic, max, found) {
      if (patterns === 0) return 0
      const search = { topic, levels: topic.split('.'), left: max }
      visit(root, search, 0, found)
      return search.left < 0 ? undefined : max - search.left
    },
  }
}

function createNode<Follower>(): Node<Follower> {
  return { patterns: new Map(), branches: undefined, size: 0 }
}

/** Returns whether the pattern is new. */
function insert<Follower>(root: Node<Follower>, pattern: string, follower: Follower): boolean {
  const levels = pattern.split('.')
  const path = [root]
  let [node, depth] = [root, 0]
  for (let branch = levels[depth]; node.branches !== undefined && branch !== undefined; branch = levels[++depth]) {
    const next = node.branches.get(branch) ?? createNode()
    node.branches.set(branch, next)
    node = next
    path.push(node)
  }
  const known = node.patterns.get(pattern)
  if (known !== undefined) {
    known.add(follower)
    return false
  }
  node.patterns.set(pattern, new Set([follower]))
  for (const each of path) each.size++
  if (node.patterns.size > maxUnsorted && node.branches === undefined) grow(node, depth)
  return true
}

/** Moves the patterns of a node into branches. One that ends here stays. */
function grow<Follower>(node: Node<Follower>, depth: number): void {
  const sorted = node.patterns
  node.patterns = new Map()
  node.branches = new Map()
  for (const [pattern, followers] of sorted) {
    const branch = pattern.split('.')[depth]
    if (branch === undefined) {
      node.patterns.set(pattern, followers)
      continue
    }
    const next = node.branches.get(branch) ?? createNode()
    next.patterns.set(pattern, followers)
    next.size++
    node.branches.set(branch, next)
  }
  for (const next of node.branches.values()) if (next.patterns.size > maxUnsorted) grow(next, depth + 1)
}

/** Moves the patterns of all branches into the node. */
function shrink<Follower>(node: Node<Follower>): void {
  for (const branch of node.branches?.values() ?? []) {
    shrink(branch)
    for (const [pattern, followers] of branch.patterns) node.patterns.set(pattern, followers)
  }
  node.branches = undefined
}

/** Returns whether the pattern has no followers left. */
function remove<Follower>(node: Node<Follower>, pattern: string, follower: Follower, depth = 0): boolean {
  const followers = node.patterns.get(pattern)
  if (followers !== undefined) {
    followers.delete(follower)
    if (followers.size > 0) return false
    node.patterns.delete(pattern)
  } else {
    const level = pattern.split('.')[depth]
    const branch = level === undefined ? undefined : node.branches?.get(level)
    if (level === undefined || branch === undefined || !remove(branch, pattern, follower, depth + 1)) return false
    if (branch.size === 0) node.branches?.delete(level)
  }
  node.size--
  if (node.branches !== undefined && node.size <= maxUnsorted / 2) shrink(node)
  return true
}

interface Search {
  topic: string
  levels: string[]
  /** Comparisons that are left; negative when there were too few. */
  left: number
}

/** Only a topic's own levels and wildcards lead to patterns that match it; each is compared, since a node may hold others. */
function visit<Follower>(node: Node<Follower>, search: Search, depth: number, found: (follower: Follower) => void): void {
  const { topic, levels } = search
  search.left -= 1 + node.patterns.size
  if (search.left < 0) return
  for (const [pattern, followers] of node.patterns) {
    if (covers(pattern, topic)) for (const follower of followers) found(follower)
  }
  const level = levels[depth]
  if (node.branches === undefined || level === undefined) return
  for (const each of [level, '*', '>']) {
    const branch = node.branches.get(each)
    if (branch !== undefined) visit(branch, search, depth + 1, found)
  }
}

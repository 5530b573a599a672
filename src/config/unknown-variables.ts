import leven from 'leven'

/** Maximum Levenshtein distance to a known name that counts as a typing error. */
const closeEnough = 3

/**
 * Finds unknown names with our prefixes. A misspelt name must stop the start: otherwise the intended setting would be
 * silently ignored.
 */
export function unknownVariables(
  names: string[],
  known: string[],
): { misspelt: Array<{ variable: string; problem: string }>; foreign: string[] } {
  const misspelt: Array<{ variable: string; problem: string }> = []
  const foreign: string[] = []
  for (const name of names) {
    if (!/^(PEERGATE|LIBP2P)_/.test(name) || known.includes(name)) continue
    const nearest = known.map((candidate) => ({ candidate, distance: leven(name, candidate) })).sort((a, b) => a.distance - b.distance)[0]
    if (nearest !== undefined && nearest.distance <= closeEnough)
      misspelt.push({ variable: name, problem: `is unknown; did you mean ${nearest.candidate}?` })
    else foreign.push(name)
  }
  return { misspelt, foreign }
}

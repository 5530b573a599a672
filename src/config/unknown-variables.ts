import leven from 'leven'

/** Names this close to one of ours, in edits of a letter, are taken for a slip of the keyboard. */
const closeEnough = 3

/** Sorts the names that begin like ours and are not: misspelt ones stop the start, since what was meant would be silently missing. */
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
      misspelt.push({ variable: name, problem: `is not known; did you mean ${nearest.candidate}?` })
    else foreign.push(name)
  }
  return { misspelt, foreign }
}

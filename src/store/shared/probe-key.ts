/** The record that every trial write overwrites. The keys of engines' records start with a peer id. */
export const probeKey = 'write-probe'

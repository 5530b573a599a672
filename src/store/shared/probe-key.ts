/** The record that a trial of writing sets, again and again; those of engines begin with a peer id. */
export const probeKey = 'write-probe'

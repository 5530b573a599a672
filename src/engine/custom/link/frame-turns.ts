import { createLoopTurns } from '../../../lib/loop-turns.ts'

/** The turns of frames of all links: one for the process, since the process has one event loop. */
export const frameTurns = createLoopTurns({ turnMs: 2, sliceMs: 0.25 }, { now: () => performance.now(), afterOthers: setImmediate })

/** A number of pieces of work that fit into one turn of the event loop. */
export interface TurnBudget {
  /** Whether there is room for one more in this turn; if so, it is counted. */
  take(): boolean
}

/**
 * @param max in one turn
 * @param afterTurn runs a task once the event loop has run what waits now
 */
export function createTurnBudget(max: number, afterTurn: (task: () => void) => void = setImmediate): TurnBudget {
  let taken = 0
  return {
    take() {
      if (taken === max) return false
      if (taken++ === 0)
        afterTurn(() => {
          taken = 0
        })
      return true
    },
  }
}

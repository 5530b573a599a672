import { costOfRows } from '../access/rates.ts'
import { RateLimited } from '../errors.ts'
import { scanRows } from '../store/log-store.ts'

/** Maximum rows of the log that one request scans, matching or not. */
export const maxPageRows = 10 * scanRows

/** The rows of the log that a request may still scan. */
export interface RowBudget {
  /**
   * Pays for a step before it runs. Returns false when the step cannot be paid, or the request has scanned
   * `maxPageRows` rows.
   * @throws RateLimited for the first step, when there is nothing to return yet
   */
  take(rows: number): boolean
}

/** @param pay takes a cost, in units, from the client's budget, or throws RateLimited */
export function createRowBudget(pay: (units: number) => void): RowBudget {
  let taken = 0
  return {
    take(rows) {
      if (taken >= maxPageRows) return false
      try {
        pay(costOfRows(rows))
      } catch (error) {
        if (taken === 0 || !(error instanceof RateLimited)) throw error
        return false
      }
      taken += rows
      return true
    },
  }
}

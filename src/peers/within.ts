import { PeergateError } from '../errors.ts'
import { createDeadline } from '../lib/deadline.ts'

/**
 * Runs the work with a deadline of `ms`. Once that has passed, an error that is not a `PeergateError` becomes `late()`.
 */
export async function within<Result>(
  ms: number,
  signal: AbortSignal,
  late: () => PeergateError,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  using deadline = createDeadline(ms, [signal])
  try {
    return await work(deadline.signal)
  } catch (error) {
    throw deadline.isOver && !(error instanceof PeergateError) ? late() : error
  }
}

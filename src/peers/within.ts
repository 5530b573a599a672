import { PeergateError } from '../errors.ts'

/**
 * Runs the work with a deadline of `ms`. Once that has passed, an error that is not a `PeergateError` becomes `late()`.
 */
export async function within<Result>(
  ms: number,
  signal: AbortSignal,
  late: () => PeergateError,
  work: (signal: AbortSignal) => Promise<Result>,
): Promise<Result> {
  const deadline = AbortSignal.timeout(ms)
  try {
    return await work(AbortSignal.any([signal, deadline]))
  } catch (error) {
    throw deadline.aborted && !(error instanceof PeergateError) ? late() : error
  }
}

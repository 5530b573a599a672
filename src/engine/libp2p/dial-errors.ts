import { DialFailed, DialForbidden, type PeergateError } from '../../errors.ts'

/** What a failed dial of libp2p means to whoever asked for it. */
export function dialError(multiaddr: string, error: unknown): PeergateError {
  const reasons = leaves(error)
  const errors = reasons.map((reason) => ({ path: multiaddr, message: reason instanceof Error ? reason.message : String(reason) }))
  const detail = errors.map(({ message }) => message).join('; ')
  if (reasons.every((reason) => reason instanceof DialForbidden))
    return new DialForbidden(`${multiaddr}: ${detail}`, { errors, cause: error })
  return new DialFailed(`${multiaddr} could not be dialled: ${detail}`, { errors, cause: error })
}

/** The errors inside an aggregate: one for each address that was tried. */
function leaves(error: unknown): unknown[] {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.flatMap(leaves)
  return [error]
}

import { DialFailed, DialForbidden, PeerBlocked, type PeergateError, SelfDial } from '../../errors.ts'
import { foreignText } from '../../model/text.ts'
import { AddressNotReached, type DialAttempt } from './gate.ts'

/** Maximum length of the outcome of one address, in UTF-16 units. */
const maxMessageLength = 300

/** Converts a failed libp2p dial to an error of the contract. */
export function dialError(multiaddr: string, error: unknown): PeergateError {
  const reasons = leaves(error)
  // One of a peer's several addresses may lead through a relay that is not dialled: that alone does not mean that the
  // peer is blocked.
  if (reasons.every((reason) => reason instanceof Error && blocks.has(reason.name))) {
    return new PeerBlocked('This peer is blocked.', { cause: error })
  }
  if (reasons.some((reason) => reason instanceof Error && selves.has(reason.name))) {
    return new SelfDial('This gateway does not dial itself.', { cause: error })
  }
  const attempts = reasons.flatMap((reason) => attemptsOf(multiaddr, reason))
  // A relay's reason for a refusal, or the text of a certificate, comes from the other end.
  const errors = attempts.map(({ multiaddr: address, message }) => ({
    path: '',
    message: foreignText(message, maxMessageLength),
    multiaddr: address,
  }))
  const detail = [...new Set(errors.map(({ message }) => message))].join('; ')
  if (attempts.length > 0 && attempts.every(({ forbidden }) => forbidden)) {
    return new DialForbidden(`${multiaddr} may not be dialled: ${detail}.`, { errors, cause: error })
  }
  return new DialFailed(`${multiaddr} could not be dialled: ${detail}.`, { errors, cause: error })
}

/** Names of the errors that a refusal by the gater becomes in libp2p. */
const blocks = new Set(['ConnectionInterceptedError', 'DialDeniedError'])

/** Names of this gateway's own error, and of libp2p's for a peer that proves this node's own key. */
const selves = new Set(['SelfDial', 'InvalidPeerIdError'])

function attemptsOf(multiaddr: string, reason: unknown): DialAttempt[] {
  if (reason instanceof AddressNotReached) return reason.attempts
  return [{ multiaddr, message: reason instanceof Error ? reason.message : String(reason), forbidden: false }]
}

/** The errors inside an aggregate: one for each address that was tried. */
function leaves(error: unknown): unknown[] {
  if (error instanceof AggregateError && error.errors.length > 0) return error.errors.flatMap(leaves)
  return [error]
}

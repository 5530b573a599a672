import { DialFailed, DialForbidden, PeerBlocked, type PeergateError, SelfDial } from '../../errors.ts'
import { foreignText } from '../../model/text.ts'
import { AddressNotReached, type DialAttempt } from './gate.ts'

/** UTF-16 units of what became of one address. */
const maxMessageLength = 300

/** What a failed dial of libp2p means to whoever asked for it. */
export function dialError(multiaddr: string, error: unknown): PeergateError {
  const reasons = leaves(error)
  // Of several addresses of a peer one may lead through a relay that is not dialled: that says nothing of the peer.
  if (reasons.every((reason) => reason instanceof Error && blocks.has(reason.name))) {
    return new PeerBlocked('This peer is blocked.', { cause: error })
  }
  if (reasons.some((reason) => reason instanceof Error && selves.has(reason.name))) {
    return new SelfDial('This gateway does not dial itself.', { cause: error })
  }
  const attempts = reasons.flatMap((reason) => attemptsOf(multiaddr, reason))
  // Why a relay refused, or what a certificate says, are words of the other end.
  const errors = attempts.map(({ multiaddr: path, message }) => ({ path, message: foreignText(message, maxMessageLength) }))
  const detail = [...new Set(errors.map(({ message }) => message))].join('; ')
  if (attempts.length > 0 && attempts.every(({ forbidden }) => forbidden)) {
    return new DialForbidden(`${multiaddr} may not be dialled: ${detail}.`, { errors, cause: error })
  }
  return new DialFailed(`${multiaddr} could not be dialled: ${detail}.`, { errors, cause: error })
}

/** What libp2p makes of our gater's refusal. */
const blocks = new Set(['ConnectionInterceptedError', 'DialDeniedError'])

/** Ours, and what libp2p makes of a peer that proves its own key. */
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

/** The token has expired: another one is needed (docs/stream-protocol.md, Close codes). */
export const tokenExpired = 4100

/** From this code of the gateway on, something must change first. */
const firstFinal = 4500
const lastOfGateway = 4999

/** Codes of RFC 6455 §7.4.1 by which the gateway says that the client is wrong. */
const clientIsWrong: ReadonlySet<number> = new Set([1002, 1003, 1007, 1008, 1009])

/**
 * Whether a connection that was closed with this code ends for good. Any other code means: reconnect and resume.
 * @param canRenewToken whether the next attempt can have another token
 */
export function isFinal(code: number, canRenewToken: boolean): boolean {
  if (code === tokenExpired) return !canRenewToken
  return (code >= firstFinal && code <= lastOfGateway) || clientIsWrong.has(code)
}

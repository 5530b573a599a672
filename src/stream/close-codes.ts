/**
 * Why the gateway closes a stream (RFC 6455 §7.4.2, private range). Below 4500 the client reconnects and resumes with
 * its last cursor. From 4500 on, and with a code of the RFC itself (§7.4.1), it must change something first.
 */
export const closeCodes = {
  tooSlow: { code: 4000, reason: 'too slow' },
  noPong: { code: 4001, reason: 'no pong' },
  draining: { code: 4002, reason: 'draining' },
  connectionCap: { code: 4003, reason: 'too many connections' },
  interrupted: { code: 4004, reason: 'interrupted, resume' },
  tokenExpired: { code: 4100, reason: 'token expired' },
  frameTooLarge: { code: 1009, reason: 'frame too large' },
  badFrame: { code: 4500, reason: 'bad frame' },
  unauthorized: { code: 4502, reason: 'unauthorized' },
  tokenRevoked: { code: 4503, reason: 'token revoked' },
} as const

export type CloseReason = keyof typeof closeCodes

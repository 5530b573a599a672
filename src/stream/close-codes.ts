/**
 * Why the gateway closes a stream (RFC 6455 §7.4.2, private range). Below 4500 the client reconnects and resumes with
 * its last cursor. From 4500 on it must change something first, as with the codes of the RFC itself (§7.4.1) below 1011.
 */
export const closeCodes = {
  tooSlow: {
    code: 4000,
    reason: 'too slow',
    description: 'The client read nothing for `slowClientMs`, or the answers and requests waiting for it exceed their room.',
    action: 'resume',
  },
  noPong: { code: 4001, reason: 'no pong', description: 'The client gave no sign of life for two heartbeats.', action: 'resume' },
  draining: {
    code: 4002,
    reason: 'draining',
    description: 'The gateway shuts down. A `closing` frame came before, with the time after which to reconnect.',
    action: 'resume',
  },
  connectionCap: {
    code: 4003,
    reason: 'too many connections',
    description: 'The maximum number of stream connections is reached, of all clients or of this one.',
    action: 'wait',
  },
  interrupted: {
    code: 4004,
    reason: 'interrupted, resume',
    description: 'Reading was interrupted, for example by an unavailable database or for lack of memory. An `error` frame may come before.',
    action: 'resume',
  },
  tokenExpired: { code: 4100, reason: 'token expired', description: 'The token has expired.', action: 'new-token' },
  protocolError: {
    code: 1002,
    reason: '',
    description: 'The client broke the WebSocket protocol: RFC 6455, or an extension that was not negotiated.',
    action: 'correct',
  },
  notText: { code: 1007, reason: '', description: 'A text message is not UTF-8, or a compressed message is not valid.', action: 'correct' },
  fragments: { code: 1008, reason: '', description: 'A message has too many fragments.', action: 'correct' },
  frameTooLarge: {
    code: 1009,
    reason: 'frame too large',
    description: 'The frame is larger than `maxFrameBytes`, or, from a token that may not send data, than a subscription can be.',
    action: 'correct',
  },
  notOpened: {
    code: 1011,
    reason: '',
    description: 'The stream could not be opened because of an error of the gateway.',
    action: 'resume',
  },
  badFrame: {
    code: 4500,
    reason: 'bad frame',
    description: 'A message is not a frame: of the other type than the subprotocol, not JSON or CBOR, or without `type`.',
    action: 'correct',
  },
  unauthorized: {
    code: 4502,
    reason: 'unauthorized',
    description: 'The token is unknown, or does not allow a stream. An `error` frame came before.',
    action: 'new-token',
  },
  tokenRevoked: { code: 4503, reason: 'token revoked', description: 'The token was revoked.', action: 'new-token' },
} as const satisfies Record<string, CloseCode>

interface CloseCode {
  code: number
  /** Text in the close frame. The WebSocket library sends none with its own codes. */
  reason: string
  description: string
  action: keyof typeof closeActions
}

/** What a client does after a close. */
export const closeActions = {
  resume: 'Reconnect with a growing delay, and resume with the last cursor.',
  wait: 'Reconnect later, and resume with the last cursor.',
  'new-token': 'Get another token, reconnect, and resume with the last cursor.',
  correct: 'Correct the client. Reconnecting alone leads to the same close.',
} as const

export type CloseReason = keyof typeof closeCodes

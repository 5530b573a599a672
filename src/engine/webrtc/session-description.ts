import { isIP } from 'node:net'

/**
 * The session descriptions and ICE candidates of WebRTC peers. The native library gets none of a peer's text: it gets
 * descriptions that are written here, of values that have been checked.
 */

/** An address at which the peer may be reached. */
export interface Candidate {
  ip: string
  port: number
  /** A candidate as in a description, without `a=`; `readCandidate` gives it as JSON of an `RTCIceCandidateInit`. */
  text: string
}

/** Maximum characters of a description or candidate. A browser's description of data channels has some 600. */
export const maxSignalLength = 4_096

/** Values of a description, which a name and a colon precede (RFC 8839 section 5, RFC 8122, RFC 5888, RFC 8841). */
const forms = {
  // In the checks that are sent to each address. No agent makes longer ones.
  'ice-ufrag': /^[A-Za-z0-9+/]{4,32}$/,
  'ice-pwd': /^[A-Za-z0-9+/]{22,256}$/,
  fingerprint: /^sha-256 [0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2}){31}$/i,
  setup: /^(actpass|active|passive)$/,
  mid: /^[A-Za-z0-9]{1,3}$/,
  'sctp-port': /^\d{1,5}$/,
}

/**
 * Bytes that the native library sends to an address that does not answer: seven checks within half a minute, each with the
 * `ice-ufrag` of both ends (RFC 8445, section 7.2.2).
 */
export const maxChecksBytes = 7 * 128

/** Maximum bytes of a data channel's message in both directions: js-libp2p writes up to 16 KiB (libp2p WebRTC, framing). */
export const maxChannelMessageBytes = 65_536

/**
 * The description, written anew. Candidates in it are left out; they are checked one by one.
 * @throws Error when a value is missing or malformed
 */
export function checkDescription(text: string): string {
  const lines = text.split(/\r?\n/)
  const value = (name: keyof typeof forms) => {
    const found = lines.find((line) => line.startsWith(`a=${name}:`))?.slice(name.length + 3)
    if (found === undefined || !forms[name].test(found)) throw new Error(`the session description has no valid ${name}`)
    return found
  }
  const mid = value('mid')
  return [
    'v=0',
    'o=- 1 1 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    `a=group:BUNDLE ${mid}`,
    'a=ice-options:trickle',
    `a=fingerprint:${value('fingerprint')}`,
    'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
    'c=IN IP4 0.0.0.0',
    `a=mid:${mid}`,
    'a=sendrecv',
    `a=sctp-port:${value('sctp-port')}`,
    `a=max-message-size:${maxChannelMessageBytes}`,
    `a=setup:${value('setup')}`,
    `a=ice-ufrag:${value('ice-ufrag')}`,
    `a=ice-pwd:${value('ice-pwd')}`,
    '',
  ].join('\r\n')
}

/** RFC 8839 section 5.1. Names are not resolved: browsers use them for addresses of their own network. */
const candidateForm =
  /^(?:a=)?candidate:([A-Za-z0-9+/]{1,32}) 1 udp (\d{1,10}) ([0-9A-Fa-f:.]{2,45}) (\d{1,5}) typ (host|srflx|prflx|relay)( |$)/i

/**
 * The candidate, written anew. Undefined for one that this node cannot use, such as one for TCP, and for the end of
 * candidates.
 */
export function checkCandidate(line: string): Candidate | undefined {
  const [, foundation, priority, ip = '', port, type = ''] = candidateForm.exec(line) ?? []
  const isUsable = isIP(ip) !== 0 && Number(port) > 0 && Number(port) < 65_536 && Number(priority) < 2 ** 32
  if (!isUsable) return undefined
  return { ip, port: Number(port), text: `candidate:${foundation} 1 UDP ${priority} ${ip} ${port} typ ${type.toLowerCase()}` }
}

/** The usable candidates of a description. */
export function candidatesIn(description: string): Candidate[] {
  const lines = description.split(/\r?\n/).filter((line) => line.startsWith('a=candidate:'))
  return lines.flatMap((line) => checkCandidate(line) ?? [])
}

/**
 * `checkCandidate` of the JSON text of an `RTCIceCandidateInit`.
 * @throws Error when the text is not JSON
 */
export function readCandidate(json: string): Candidate | undefined {
  const told: unknown = JSON.parse(json)
  if (typeof told !== 'object' || told === null || !('candidate' in told) || typeof told.candidate !== 'string') return undefined
  const checked = checkCandidate(told.candidate)
  if (checked === undefined) return undefined
  return { ...checked, text: JSON.stringify({ candidate: checked.text, sdpMid: midOf(told), sdpMLineIndex: 0 }) }
}

function midOf(told: object): string {
  return 'sdpMid' in told && typeof told.sdpMid === 'string' && forms.mid.test(told.sdpMid) ? told.sdpMid : '0'
}

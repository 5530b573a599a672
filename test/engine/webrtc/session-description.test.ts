import fc from 'fast-check'
import { expect, test } from 'vitest'
import { checkDescription, readCandidate } from '../../../src/engine/webrtc/session-description.ts'

const fingerprint = Array.from({ length: 32 }, () => 'AB').join(':')
const values = {
  fingerprint: `sha-256 ${fingerprint}`,
  mid: '0',
  'sctp-port': '5000',
  'max-message-size': '262144',
  setup: 'actpass',
  'ice-ufrag': 'gS0S',
  'ice-pwd': 'jzi+fPmDs+jrh6uWgC3tAN',
}

function description(changes: Partial<Record<keyof typeof values, string | undefined>> = {}, more: string[] = []): string {
  const lines = Object.entries({ ...values, ...changes }).flatMap(([name, value]) => (value === undefined ? [] : [`a=${name}:${value}`]))
  return [
    'v=0',
    'o=rtc 1 0 IN IP4 127.0.0.1',
    's=-',
    't=0 0',
    'm=application 9 UDP/DTLS/SCTP webrtc-datachannel',
    ...lines,
    ...more,
    '',
  ].join('\r\n')
}

test('a description is written anew with the values of the peer, and with nothing else of it', () => {
  const checked = checkDescription(description({}, ['a=candidate:1 1 UDP 1 192.0.2.1 9 typ host', 'a=ssrc:1 cname:x', 'a=ice-lite']))
  for (const [name, value] of Object.entries(values)) if (name !== 'max-message-size') expect(checked).toContain(`a=${name}:${value}\r\n`)
  expect(checked).toContain('a=max-message-size:65536\r\n')
  for (const text of ['candidate', 'ssrc', 'ice-lite']) expect(checked).not.toContain(text)
})

test.for([
  ['ice-ufrag', 'abc'],
  ['ice-ufrag', 'a b c d'],
  ['ice-ufrag', 'a'.repeat(257)],
  ['ice-ufrag', 'ünïcode'],
  ['ice-pwd', 'short'],
  ['ice-pwd', 'a'.repeat(257)],
  ['ice-pwd', undefined],
  ['fingerprint', 'sha-256 ZZ'],
  ['fingerprint', 'md5 AB:AB'],
  ['fingerprint', undefined],
  ['setup', 'holdconn'],
  ['mid', 'a much longer one'],
  ['sctp-port', '-1'],
  ['sctp-port', '999999'],
] as const)('a description whose %s is %s is refused', ([name, value]) => {
  expect(() => checkDescription(description({ [name]: value }))).toThrow(name)
})

test('no text makes a description of anything but what it may have', () => {
  fc.assert(
    fc.property(fc.string({ unit: 'binary', maxLength: 2_000 }), (text) => {
      const checked = checkDescription(description({}, text.split('\n')))
      expect(checked.split('\r\n')).toHaveLength(17)
    }),
  )
})

const candidate = (text: string, sdpMid: unknown = '0') => readCandidate(JSON.stringify({ candidate: text, sdpMid, sdpMLineIndex: 0 }))

test('a candidate is written anew, without what this node does not need', () => {
  const told = candidate(
    'candidate:842163049 1 udp 1677729535 192.0.2.7 46154 typ srflx raddr 10.0.0.1 rport 46154 generation 0 ufrag abcd',
  )
  expect(told).toMatchObject({ ip: '192.0.2.7', port: 46_154 })
  expect(JSON.parse(told?.text ?? '')).toEqual({
    candidate: 'candidate:842163049 1 UDP 1677729535 192.0.2.7 46154 typ srflx',
    sdpMid: '0',
    sdpMLineIndex: 0,
  })
  expect(candidate('a=candidate:1 1 UDP 5 2001:db8::1 9 typ host', 'much too long')).toMatchObject({ ip: '2001:db8::1' })
})

test.for([
  'candidate:1 1 udp 5 f00d-cafe.local 9 typ host',
  'candidate:1 1 udp 5 example.com 9 typ host',
  'candidate:1 1 tcp 5 192.0.2.7 9 typ host tcptype passive',
  'candidate:1 1 udp 5 192.0.2.7 0 typ host',
  'candidate:1 1 udp 5 192.0.2.7 65536 typ host',
  'candidate:1 1 udp 4294967296 192.0.2.7 9 typ host',
  'candidate:1 2 udp 5 192.0.2.7 9 typ host',
  'candidate:1 1 udp 5 fe80::1%eth0 9 typ host',
  'candidate:1 1 udp 5 999.1.1.1 9 typ host',
  'candidate:1 1 udp 5 192.0.2.7 9 typ other',
  '',
])('the candidate "%s" is left out', (text) => {
  expect(candidate(text)).toBeUndefined()
})

test('any JSON is a candidate or none', () => {
  expect(readCandidate('null')).toBeUndefined()
  expect(() => readCandidate('{')).toThrow()
  fc.assert(fc.property(fc.json(), (json) => void readCandidate(json)))
})

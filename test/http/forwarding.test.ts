import { Socket } from 'node:net'
import { describe, expect, test } from 'vitest'
import { InvalidRequest } from '../../src/errors.ts'
import { createForwarding, parseForwardedAddress } from '../../src/http/forwarding.ts'

/** Where a request comes from whose socket ends at `nearest`. */
function originOf(trusted: string[], nearest: string, headers: Record<string, string | string[]>) {
  const socket = Object.defineProperty(new Socket(), 'remoteAddress', { value: nearest })
  return createForwarding(trusted)({ headers, socket })
}
const addressOf = (trusted: string[], nearest: string, forwardedFor: string | string[]) =>
  originOf(trusted, nearest, { 'x-forwarded-for': forwardedFor }).address

describe('an address that a proxy names', () => {
  test.each([
    ['192.0.2.1', '192.0.2.1'],
    [' 192.0.2.1\t', '192.0.2.1'],
    ['192.0.2.1:443', '192.0.2.1'],
    ['::ffff:192.0.2.1', '192.0.2.1'],
    ['::ffff:c000:201', '192.0.2.1'],
    ['[::ffff:192.0.2.1]:443', '192.0.2.1'],
    ['2001:DB8:0::1', '2001:db8::1'],
    ['[2001:db8::1]', '2001:db8::1'],
    ['[2001:db8::1]:65535', '2001:db8::1'],
    ['fe80::1%eth0', 'fe80::1'],
    ['[fe80::1%eth0]:1', 'fe80::1'],
  ])('%s is %s', (element, address) => {
    expect(parseForwardedAddress(element)).toBe(address)
  })

  test.each([
    ...['', ' ', 'unknown', '_hidden', 'localhost', 'client.example', '192.0.2', '192.0.2.256', '0300.0.2.1', '192.0.2.1:', '192.0.2.1:x'],
    ...['192.0.2.1:443:443', '192.0.2.1/24', '[192.0.2.1]', '[2001:db8::1', '2001:db8::1]', '[2001:db8::1]443', '"192.0.2.1"', '::1::2'],
    ...['for=192.0.2.1', '192.0.2.1;192.0.2.2', '3221225985', '[]', '[]:1', '%eth0', '1'.repeat(8_000)],
  ])('%j is none', (element) => {
    expect(() => parseForwardedAddress(element)).toThrow(InvalidRequest)
  })
})

describe('where a request comes from', () => {
  test('is the other end of the socket, whatever it says, unless that is a trusted proxy', () => {
    expect(addressOf([], '192.0.2.9', '198.51.100.1')).toBe('192.0.2.9')
    expect(addressOf(['10.0.0.0/8'], '::ffff:192.0.2.9', 'no address')).toBe('192.0.2.9')
    expect(originOf([], '192.0.2.9', { 'x-forwarded-proto': 'https' }).protocol).toBe('http')
    expect(originOf(['192.0.2.9'], '192.0.2.9', {})).toEqual({ address: '192.0.2.9', protocol: 'http', isFromHost: false })
  })

  test('is the last address that is no trusted proxy; what is left of it is the word of the client', () => {
    const trusted = ['10.0.0.0/8', '2001:db8:1::/48']
    expect(addressOf(trusted, '10.0.0.1', 'unknown, 203.0.113.7, 198.51.100.1')).toBe('198.51.100.1')
    expect(addressOf(trusted, '::ffff:10.0.0.1', '198.51.100.1:5, 10.9.9.9:443, [2001:db8:1::5]:80')).toBe('198.51.100.1')
    expect(addressOf(trusted, '2001:db8:1::1', ['198.51.100.1', '10.0.0.2'])).toBe('198.51.100.1')
    expect(addressOf(trusted, '10.0.0.1', '10.0.0.3, 10.0.0.2')).toBe('10.0.0.3')
  })

  test('is a program of this host only when nothing tells of a proxy', () => {
    const own = { address: '127.0.0.1', protocol: 'http', isFromHost: true }
    expect(originOf([], '127.0.0.1', {})).toEqual(own)
    expect(originOf([], '::ffff:127.0.0.1', {})).toEqual(own)
    expect(originOf(['10.0.0.1'], '::1', {})).toEqual({ ...own, address: '::1' })
    for (const field of ['x-forwarded-for', 'x-forwarded-proto', 'x-forwarded-host', 'x-real-ip', 'forwarded', 'via']) {
      const behind = { address: 'unknown', protocol: 'http', isFromHost: false }
      expect(originOf([], '127.0.0.1', { [field]: '127.0.0.1' })).toEqual(behind)
    }
  })

  test('is not known behind a trusted proxy of this host that names nobody; a probe is free there, and who is named on this host is of it', () => {
    const trusted = ['127.0.0.1', '::1']
    expect(originOf(trusted, '127.0.0.1', {})).toEqual({ address: 'unknown', protocol: 'http', isFromHost: true })
    expect(originOf(trusted, '127.0.0.1', { 'x-forwarded-proto': 'https' })).toEqual({
      address: 'unknown',
      protocol: 'https',
      isFromHost: false,
    })
    expect(addressOf(trusted, '127.0.0.1', '198.51.100.1')).toBe('198.51.100.1')
    expect(addressOf(trusted, '127.0.0.1', '127.0.0.1')).toBe('127.0.0.1')
    expect(addressOf(trusted, '127.0.0.1', '198.51.100.1, ::1')).toBe('198.51.100.1')
  })

  test('is the proxy itself when that names its own loopback', () => {
    const trusted = ['127.0.0.0/8', '10.0.0.0/8']
    expect(addressOf(trusted, '10.0.0.1', '127.0.0.1')).toBe('10.0.0.1')
    expect(addressOf(['10.0.0.0/8'], '10.0.0.1', '198.51.100.1, 127.0.0.1, 10.0.0.2')).toBe('10.0.0.2')
    expect(addressOf(trusted, '10.0.0.1', '198.51.100.1, 127.0.0.1, 10.0.0.2')).toBe('198.51.100.1')
    expect(addressOf(trusted, '127.0.0.1', '::1, 10.0.0.2')).toBe('10.0.0.2')
  })

  test('is refused when the trusted proxies name none', () => {
    for (const field of ['unknown', '198.51.100.1,', 'unknown, 10.0.0.2', 'unknown, 10.0.0.2:443', ''])
      expect(() => addressOf(['10.0.0.0/8'], '10.0.0.1', field)).toThrow(InvalidRequest)
  })

  test.each([
    ['https', 'https'],
    ['HTTP', 'http'],
    ['wss', 'https'],
    ['ws', 'http'],
    ['http, https', 'https'],
  ])('X-Forwarded-Proto %s is %s', (field, protocol) => {
    expect(originOf(['10.0.0.1'], '10.0.0.1', { 'x-forwarded-proto': field }).protocol).toBe(protocol)
  })

  test.each(['', 'ftp', 'https:', 'https,', 'javascript'])('X-Forwarded-Proto %j is refused', (field) => {
    expect(() => originOf(['10.0.0.1'], '10.0.0.1', { 'x-forwarded-proto': field })).toThrow(InvalidRequest)
  })
})

test.each(['proxy.example', '10.0.0.0/0', '10.0.0.0/33', '10.0.0.0/x', '10.0.0.0/8/8', '10.0.0', '', '/8', '2001:db8::/129'])(
  'a proxy %j keeps the gateway from starting',
  (proxy) => {
    expect(() => createForwarding([proxy])).toThrow('PEERGATE_TRUSTED_PROXIES')
  },
)

test.each([
  ['10.0.0.0/8', '10.1.2.3', '::ffff:10.1.2.3'],
  ['::ffff:10.0.0.0/104', '10.1.2.3', '::ffff:10.1.2.3'],
  ['2001:db8::/32', '2001:db8:7::1', '2001:DB8:7:0::1'],
  ['fe80::/10', 'fe80::1%eth0', 'fe80::1'],
])('a proxy %s is trusted however its address is written', (proxy, ...addresses) => {
  for (const address of addresses) expect(addressOf([proxy], address, '198.51.100.1')).toBe('198.51.100.1')
})

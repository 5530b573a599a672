import { describe, expect, it } from 'vitest'
import { actorOf, clientKey, isLoopbackAddress, networkOf } from '../../src/access/client-key.ts'

describe('the key of a client', () => {
  it('is its token, wherever it comes from', () => {
    expect(clientKey({ grantId: 'tok_1', address: '192.0.2.1' })).toBe('tok_1')
    expect(clientKey({ grantId: 'tok_1', address: '127.0.0.1' })).toBe('tok_1')
  })

  it('is the address without a token, and of IPv6 its first 64 bits', () => {
    expect(clientKey({ grantId: 'anyone', address: '192.0.2.1' })).toBe('address 192.0.2.1')
    expect(clientKey({ grantId: 'anyone', address: '::ffff:192.0.2.1' })).toBe('address 192.0.2.1')
    expect(clientKey({ grantId: 'anyone', address: '2001:db8:0:7:1:2:3:4' })).toBe('address 2001:db8:0:7::/64')
    expect(clientKey({ grantId: 'anyone', address: '2001:db8:0:7::1' })).toBe('address 2001:db8:0:7::/64')
  })

  it('is one for everybody of this host without a token', () => {
    for (const address of ['127.0.0.1', '127.1.2.3', '::1', '::ffff:127.0.0.1'])
      expect(clientKey({ grantId: 'anyone', address })).toBe('local')
  })

  it.each(['192.0.2.1', '2001:db8::1', '127.0.0.1'])('tells who that was: the token, or anyone at %s', (address) => {
    expect(['tok_1', 'anyone', 'sub:ann'].map((grantId) => actorOf(clientKey({ grantId, address })))).toEqual([
      'tok_1',
      'anyone',
      'sub:ann',
    ])
  })

  it.each([
    ['::', '0:0:0:0::/64'],
    ['fe80::1%eth0', 'fe80:0:0:0::/64'],
    ['1:2::', '1:2:0:0::/64'],
    ['1:2:3:4:5:6:7::', '1:2:3:4::/64'],
    ['64:ff9b::192.0.2.1', '64:ff9b:0:0::/64'],
    ['unknown', 'unknown'],
  ])('counts %s as %s', (address, network) => {
    expect(networkOf(address)).toBe(network)
  })

  it.each(['::2', '0.0.0.0', '127.evil', '128.0.0.1', '', '2001:db8::1'])('takes %j for no address of this host alone', (address) => {
    expect(isLoopbackAddress(address)).toBe(false)
  })
})

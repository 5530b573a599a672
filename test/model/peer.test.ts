import fc from 'fast-check'
import { expect, test } from 'vitest'
import { InvalidMultiaddr, InvalidPeerId } from '../../src/errors.ts'
import { parseAddress, parseMultiaddr, parsePeerId, peerIdOf } from '../../src/model/peer.ts'
import { withPeerId } from '../../src/peers/peer-view.ts'

const peerId = '12D3KooWGzBVWSyX2WwYPxNSUAtV5E7aVvZLgzPZKbLsdFQhcZYz'
const other = '12D3KooWHHzSeKaY8xuZVzkLbKFfvNgPPeKhFBGrMbNzbm5akpqu'

test('reads a peer id in every form as its base58 form', () => {
  expect(parsePeerId(peerId)).toBe(peerId)
  expect(parsePeerId('QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N')).toBe('QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N')
  expect(parsePeerId('bafzbeie5745rpv2m6tjyuugywy4d5ewrqgqqhfnf445he3omzpjbx5xqxe')).toBe('QmYyQSo1c1Ym7orWxLYvCrM2EmxFTANf8wXmmE7DWjhx5N')
})

test.each(['', 'me', '12D3KooW', `${peerId}x`, ` ${peerId}`, 'é', '1'])('%j is no peer id', (text) => {
  expect(() => parsePeerId(text)).toThrow(InvalidPeerId)
})

test('any text is a peer id, with one canonical form, or refused by name', () => {
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.string().map((text) => `12D3KooW${text}`),
        fc.string().map((text) => `Qm${text}`),
      ),
      (text) => {
        try {
          const canonical = parsePeerId(text)
          expect(parsePeerId(canonical)).toBe(canonical)
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidPeerId)
        }
      },
    ),
  )
})

test.each(['', '/', 'localhost:7071', 'ws://localhost:1', '/ip4', '/ip4/1.2.3/tcp/1', '/ip4/1.2.3.4/tcp/65536', '/nonsense/1'])(
  '%j is no multiaddr',
  (text) => {
    expect(() => parseMultiaddr(text)).toThrow(InvalidMultiaddr)
  },
)

test.each([
  '/dns4/a\ud800b/tcp/1',
  '/dnsaddr/\udfffexample',
  '/dns4/a\u0000b/tcp/1',
  '/dns4/a\ufffdb/tcp/1',
  '/dns/a b/tcp/1',
  'ws://a\ud800b:1',
  'ws://a.example:1/\ud800',
])('%j, which no host can be called, is no address', (text) => {
  expect(() => parseAddress(text)).toThrow(InvalidMultiaddr)
  try {
    parseAddress(text)
  } catch (error) {
    expect(String(error)).toSatisfy((message: string) => message.isWellFormed())
  }
})

test.each(['/dns4/x_y.example/tcp/1', '/dns/bücher.example/tcp/1', '/dnsaddr/bootstrap.example', '/dns4/localhost/tcp/1/ws'])(
  '%s is an address',
  (text) => {
    expect(parseAddress(text).toString()).toBe(text)
  },
)

test('any text is a multiaddr or refused by name', () => {
  const part = fc.constantFrom('ip4', '127.0.0.1', 'tcp', '1', 'p2p', peerId, 'ws', 'dns4', 'a.example', 'p2p-circuit', '', 'x')
  fc.assert(
    fc.property(
      fc.oneof(
        fc.string(),
        fc.array(part).map((parts) => `/${parts.join('/')}`),
      ),
      (text) => {
        try {
          parseMultiaddr(text)
        } catch (error) {
          expect(error).toBeInstanceOf(InvalidMultiaddr)
        }
      },
    ),
  )
})

test('names the peer at the end of an address', () => {
  expect(peerIdOf(parseMultiaddr(`/ip4/192.0.2.1/tcp/1/p2p/${peerId}`))).toBe(peerId)
  expect(peerIdOf(parseMultiaddr(`/ip4/192.0.2.1/tcp/1/p2p/${other}/p2p-circuit/p2p/${peerId}`))).toBe(peerId)
  expect(peerIdOf(parseMultiaddr('/ip4/192.0.2.1/tcp/1'))).toBeUndefined()
})

test.each([
  ['/ip4/192.0.2.1/tcp/1', [`/ip4/192.0.2.1/tcp/1/p2p/${peerId}`]],
  [`/ip4/192.0.2.1/tcp/1/p2p/${peerId}`, [`/ip4/192.0.2.1/tcp/1/p2p/${peerId}`]],
  [`/ip4/192.0.2.1/tcp/1/p2p/${other}`, []],
  [`/ip4/192.0.2.1/tcp/1/p2p/${other}/p2p-circuit`, [`/ip4/192.0.2.1/tcp/1/p2p/${other}/p2p-circuit/p2p/${peerId}`]],
  [`/dns4/${'x'.repeat(1_000)}/tcp/1`, []],
])('an address of a peer, %s, is kept as %j', (address, kept) => {
  expect(withPeerId(address, peerId)).toEqual(kept)
})

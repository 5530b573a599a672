import { networkInterfaces } from 'node:os'
import { expect, test } from 'vitest'
import { createDialPolicy, isPublicAddress } from '../../../src/engine/dial/policy.ts'
import { policy, sources, toldBy, trusted, whoMayDial } from '../../fixtures/dial-policy.ts'

test.each([
  ['this network', '0.0.0.0'],
  ['this network', '0.255.255.255'],
  ['link-local', '169.254.0.0'],
  ['link-local', '169.254.255.255'],
  ['multicast', '224.0.0.1'],
  ['multicast', '239.255.255.255'],
  ['reserved', '240.0.0.0'],
  ['broadcast', '255.255.255.255'],
  ['metadata of AWS, Azure, Google and others', '169.254.169.254'],
  ['credentials of AWS containers', '169.254.170.2'],
  ['metadata of Alibaba', '100.100.100.200'],
  ['services of Azure', '168.63.129.16'],
  ['metadata of Oracle', '192.0.0.192'],
  ['unspecified', '::'],
  ['link-local', 'fe80::1'],
  ['link-local', 'febf:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['metadata of OpenStack', 'fe80::a9fe:a9fe'],
  ['site-local', 'fec0::1'],
  ['site-local', 'feff::1'],
  ['multicast', 'ff02::1'],
  ['multicast', 'ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff'],
  ['metadata of AWS', 'fd00:ec2::254'],
  ['pod identity of AWS', 'fd00:ec2::23'],
  ['metadata of Google', 'fd20:ce::254'],
  ['metadata of Oracle', 'fd00:c1::a9fe:a9fe'],
  ['metadata of Scaleway', 'fd00:42::42'],
  ['metadata of Akamai', 'fd00:a9fe:a9fe::1'],
  ['metadata of Alibaba', 'fd00:100::100:200'],
  ['another spelling', 'FD00:0EC2:0000::0254'],
  ['another spelling', '0:0:0:0:0:0:0:0'],
  ['with a zone', 'fe80::1%eth0'],
  ['with a zone', 'fd00:ec2::254%2'],
  ['mapped', '::ffff:169.254.169.254'],
  ['mapped', '::FFFF:A9FE:A9FE'],
  ['mapped', '0:0:0:0:0:ffff:a9fe:a9fe'],
  ['mapped, with a zone', '::ffff:169.254.169.254%eth0'],
  ['mapped', '::ffff:0.0.0.0'],
  ['mapped', '::ffff:100.100.100.200'],
  ['translated', '::ffff:0:169.254.169.254'],
  ['compatible', '::169.254.169.254'],
  ['NAT64', '64:ff9b::169.254.169.254'],
  ['NAT64', '64:ff9b::a83f:8110'],
  ['local NAT64', '64:ff9b:1::169.254.169.254'],
  ['6to4', '2002:a9fe:a9fe::'],
  ['6to4', '2002:a83f:8110:1::1'],
])('nobody dials %s, %s', (_, ip) => {
  expect(whoMayDial(ip)).toEqual({ privateToo: [], publicOnly: [] })
  expect(isPublicAddress(ip)).toBe(false)
  expect(policy(true, `${ip.split('%')[0]}/8`, '0.0.0.0/0', '::/0').refusal(ip, 'learnt')).toBeDefined()
})

test.each([
  ['private', '10.0.0.0'],
  ['private', '10.255.255.255'],
  ['shared (CGNAT)', '100.64.0.1'],
  ['shared (CGNAT)', '100.127.255.255'],
  ['loopback', '127.0.0.1'],
  ['loopback', '127.255.255.255'],
  ['private', '172.16.0.1'],
  ['private', '172.31.255.255'],
  ['protocol assignments', '192.0.0.8'],
  ['documentation', '192.0.2.1'],
  ['6to4 relays', '192.88.99.1'],
  ['private', '192.168.0.1'],
  ['benchmarking', '198.19.255.255'],
  ['documentation', '198.51.100.1'],
  ['documentation', '203.0.113.1'],
  ['loopback', '::1'],
  ['given to nobody', '::2'],
  ['discard', '100::1'],
  ['Teredo', '2001::1'],
  ['benchmarking', '2001:2::1'],
  ['ORCHID', '2001:10::1'],
  ['ORCHIDv2', '2001:2f::1'],
  ['documentation', '2001:db8::1'],
  ['documentation', '3fff:fff::1'],
  ['given to nobody', '1fff::1'],
  ['given to nobody', '4000::1'],
  ['segment routing', '5f00::1'],
  ['unique local', 'fc00::1'],
  ['unique local', 'fdff:ffff::1'],
  ['loopback in another spelling', '0000:0000:0000:0000:0000:0000:0000:0001'],
  ['loopback in another spelling', '::0.0.0.1'],
  ['loopback with a zone', '::1%lo'],
  ['unique local with a zone', 'fd12:3456::1%eth0'],
  ['mapped loopback', '::ffff:127.0.0.1'],
  ['mapped loopback', '::ffff:7f00:1'],
  ['mapped loopback with a zone', '::ffff:127.0.0.1%lo'],
  ['mapped private', '::FFFF:10.0.0.1'],
  ['translated loopback', '::ffff:0:7f00:1'],
  ['compatible loopback', '::127.0.0.1'],
  ['compatible private', '::c0a8:1'],
  ['NAT64 loopback', '64:ff9b::127.0.0.1'],
  ['NAT64 private', '64:ff9b::a00:1'],
  ['local NAT64 private', '64:ff9b:1:2:3:4:10.0.0.1'],
  ['6to4 loopback', '2002:7f00:1::'],
  ['6to4 private', '2002:c0a8:101:5::9'],
])('only who is trusted dials %s, %s, and only when private addresses are allowed', (_, ip) => {
  expect(whoMayDial(ip)).toEqual({ privateToo: trusted, publicOnly: [] })
  expect(isPublicAddress(ip)).toBe(false)
})

test.each([
  '1.1.1.1',
  '8.8.8.8',
  '223.255.255.255',
  '2606:4700:4700::1111',
  '2001:200::1',
  '2001:4860:4860::8888',
  '2620:4f:8000::1',
  '2A00:1450:4001:0:0:0:0:1',
  '3ffe:ffff::1',
  '2606:4700:4700::1111%eth0',
  '::ffff:8.8.8.8',
  '::ffff:0:808:808',
  '::8.8.8.8',
  '64:ff9b::8.8.8.8',
  '2002:808:808::1',
])('everybody dials %s', (ip) => {
  expect(whoMayDial(ip)).toEqual({ privateToo: sources, publicOnly: sources })
  expect(isPublicAddress(ip)).toBe(true)
})

// RFC 8215 §5: not global; and how long its prefix is, which says where the IPv4 address stands (RFC 6052 §2.2), only the network knows.
test.each([
  ['any address', '64:ff9b:1::8.8.8.8'],
  ['10.0.0.1 at a prefix of 48 bits', '64:ff9b:1:a00:0:100:808:808'],
  ['169.254.169.254 at a prefix of 48 bits', '64:ff9b:1:a9fe:a9:fe00:808:808'],
])('local NAT64 (RFC 8215) is not public: %s, %s', (_, ip) => {
  expect(isPublicAddress(ip)).toBe(false)
  expect(policy().refusal(ip, 'learnt')).toBeDefined()
})

test.each([
  '',
  ' 10.0.0.1',
  '127.1',
  '0x7f.1',
  '0177.0.0.1',
  '2130706433',
  '127.0.0.1.',
  '127.0.0.1:80',
  '10.0.0.1/8',
  '1.2.3.4%eth0',
  '[::1]',
  '::1%',
  '::ffff:127.1',
  '1::2::3',
  'localhost',
])('%j is no IP address and dialled by nobody', (text) => {
  expect(sources.map((source) => policy().refusal(text, source))).toEqual(sources.map(() => `"${text}" is not an IP address`))
  expect(isPublicAddress(text)).toBe(false)
})

test.each([
  ['192.168.7.5/24', '192.168.7.9', '192.168.8.9'],
  ['10.1.2.3/8', '::ffff:10.9.9.9', '192.168.7.9'],
  ['100.64.0.2/10', '100.127.0.1', '10.0.0.1'],
  ['fd12:3456::5/64', 'fd12:3456::9', 'fd12:3456:0:1::9'],
  ['2001:db8::5/32', '2001:DB8:ffff::1%eth0', '3fff::1'],
])('a host with %s dials %s when another peer told it, and not %s', (own, inside, outside) => {
  expect(whoMayDial(inside, own).privateToo).toEqual(sources)
  expect(whoMayDial(inside, own).publicOnly).toEqual([])
  expect(whoMayDial(outside, own).privateToo).toEqual(trusted)
})

test.each([
  ['192.168.7.5/24', '192.168.7.5'],
  ['192.168.7.5/24', '::ffff:192.168.7.5'],
  ['8.8.4.4/24', '8.8.4.4'],
  ['8.8.4.4/24', '64:ff9b::8.8.4.4'],
  ['fd12:3456::5/64', 'fd12:3456::5'],
  ['fd12:3456::5/64', 'FD12:3456:0:0:0:0:0:5%eth0'],
  ['2606:4700::7/64', '2606:4700::7'],
  ['127.0.0.1/8', '127.0.0.2'],
  ['::1/128', '::1'],
])('a host with %s does not dial itself at %s because another peer told it', (own, ip) => {
  expect(policy(true, own).refusal(ip, 'learnt')).toMatch(/is an address of this host/)
  expect(policy(true, own).refusal(ip, 'rest')).toBeUndefined()
})

test('no address of this very host is dialled because another peer told it', () => {
  const judge = createDialPolicy({ dialPrivate: true })
  const own = Object.values(networkInterfaces()).flatMap((addresses) => (addresses ?? []).map(({ address }) => address))
  expect(own.filter((ip) => judge.refusal(ip, 'learnt') === undefined)).toEqual([])
})

test('asks for the own networks at each judgement', () => {
  let own = ['192.168.7.5/24']
  const judge = createDialPolicy({ dialPrivate: true }, { ownAddresses: () => own })
  expect(judge.refusal('192.168.7.9', 'learnt', toldBy('192.168.7.9'))).toBeUndefined()
  own = ['192.168.9.5/24']
  expect(judge.refusal('192.168.7.9', 'learnt')).toMatch(/outside the networks of this host/)
})

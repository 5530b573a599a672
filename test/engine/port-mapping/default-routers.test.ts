import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { defaultRouter, defaultRouter6 } from '../../../src/engine/port-mapping/default-routers.ts'
import { temporaryDirectory } from '../../fixtures/temporary.ts'

test('the default router is that of the routing table', async () => {
  const path = join(await temporaryDirectory(), 'route')
  const heading = 'Iface\tDestination\tGateway\n'
  const others = 'eth0\t0001A8C0\t00000000\neth0\t000AA8C0\t0901A8C0\nppp0\t00000000\t00000000\n'
  await writeFile(path, `${heading}${others}eth0\t00000000\t0101A8C0\t0003\n`)
  expect(await defaultRouter(path)).toBe('192.168.1.1')
  await writeFile(path, heading + others)
  expect(await defaultRouter(path)).toBeUndefined()
  expect(await defaultRouter(`${path}-missing`)).toBeUndefined()
})

const none = '0'.repeat(32)
const row = (destination: string, length: string, router: string) =>
  `${destination} ${length} ${none} 00 ${router} 00000400 00000001 00000000 00000003 eth0\n`

test.each([
  [row(none, '00', 'fe80000000000000020102fffe030405'), 'fe80:0000:0000:0000:0201:02ff:fe03:0405%eth0'],
  [row(none, '00', '20010db8000000010000000000000001'), '2001:0db8:0000:0001:0000:0000:0000:0001'],
  [row(none, '00', none), undefined],
  [row(none, '08', '20010db8000000010000000000000001'), undefined],
  [row('fc000000000000000000000000000000', '00', '20010db8000000010000000000000001'), undefined],
  ['nonsense\n', undefined],
])('the default router of IPv6 is that of the default route', async (rows, expected) => {
  const path = join(await temporaryDirectory(), 'ipv6_route')
  await writeFile(path, row('20010db8000000010000000000000000', '40', none) + rows)
  expect(await defaultRouter6(path)).toBe(expected)
  expect(await defaultRouter6(`${path}-missing`)).toBeUndefined()
})

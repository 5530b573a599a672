import { expect, test } from 'vitest'
import { DialForbidden, InvalidWebhook } from '../../src/errors.ts'
import { createTargets, TargetRefused } from '../../src/webhooks/targets.ts'

const { signal } = new AbortController()
const names: Record<string, string[]> = {
  'public.example': ['93.184.215.14'],
  'inside.example': ['10.1.2.3'],
  'mixed.example': ['169.254.169.254', '93.184.215.14', '::1'],
  'none.example': [],
}
const lookUp = async (name: string) => names[name] ?? []
const targets = (...allowed: string[]) => createTargets({ allowed }, { lookUp })
const addresses = (url: string, ...allowed: string[]) => targets(...allowed).addresses(new URL(url), 'tok_1', signal)

test.each([
  'ftp://public.example/',
  'public.example',
  '',
  'https://',
  'javascript:alert(1)',
  'https://user@public.example/',
  'https://:pw@public.example/',
])('refuses %j as a URL', (url) => {
  expect(() => targets().check(url)).toThrow(InvalidWebhook)
})

test.each([
  ...['http://127.0.0.1/', 'http://127.1/', 'http://0x7f000001/', 'http://2130706433/', 'http://10.0.0.1/', 'http://169.254.169.254/'],
  ...[
    'http://[::1]/',
    'http://[::ffff:127.0.0.1]/',
    'http://[fe80::1]/',
    'http://[fd00::1]/',
    'http://192.168.0.1:8080/',
    'http://0.0.0.0/',
  ],
])('refuses the address in %s, also when it is sent to', async (url) => {
  expect(() => targets().check(url)).toThrow(DialForbidden)
  await expect(addresses(url)).rejects.toThrow(TargetRefused)
})

test('judges each address that a name resolves to, and leaves out those that are not public', async () => {
  expect(await addresses('https://public.example/a')).toEqual([{ address: '93.184.215.14', family: 4 }])
  expect(await addresses('https://mixed.example/')).toEqual([{ address: '93.184.215.14', family: 4 }])
  // The address itself is not told.
  await expect(addresses('https://inside.example/')).rejects.toThrow(/^the host has no public address, (?!.*10\.1)/)
  await expect(addresses('https://none.example/')).rejects.toThrow('the host has no address')
})

test('allows what the operator names: hosts, addresses and networks', async () => {
  expect(await addresses('http://inside.example./', 'INSIDE.example')).toEqual([{ address: '10.1.2.3', family: 4 }])
  expect(await addresses('http://inside.example/', '10.0.0.0/8')).toHaveLength(1)
  expect(await addresses('http://10.1.2.3/', '10.1.2.3')).toHaveLength(1)
  expect(await addresses('http://[::1]/', '::1')).toEqual([{ address: '::1', family: 6 }])
  await expect(addresses('http://10.1.2.4/', '10.1.2.3', 'inside.example')).rejects.toThrow(TargetRefused)
  expect(targets('127.0.0.0/8').check('http://127.0.0.1:99/x?y').href).toBe('http://127.0.0.1:99/x?y')
})

test('says that a name could not be resolved', async () => {
  const unknown = createTargets({ allowed: [] }, { lookUp: () => Promise.reject(Object.assign(new Error('x'), { code: 'ENOTFOUND' })) })
  await expect(unknown.addresses(new URL('https://a.example/'), 'tok_1', signal)).rejects.toThrow('could not be resolved (ENOTFOUND)')
})

test('a look-up counts to the client whose webhook it is', async () => {
  const holders: string[] = []
  const noting = createTargets(
    { allowed: [] },
    { lookUp: async (_name, _family, _signal, holder) => [`93.184.215.${holders.push(holder)}`] },
  )
  await noting.addresses(new URL('https://a.example/'), 'tok_2', signal)
  expect(holders).toEqual(['tok_2'])
})

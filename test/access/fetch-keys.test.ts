import { once } from 'node:events'
import { createServer } from 'node:http'
import { exportJWK, generateKeyPair } from 'jose'
import { expect, onTestFinished, test } from 'vitest'
import { fetchKeys, KeysNotFetched } from '../../src/access/fetch-keys.ts'

/** What is fetched of a provider that answers so. */
async function fetched(answer: string): Promise<Array<Record<string, unknown>>> {
  const server = createServer((_request, response) => response.setHeader('content-type', 'text/html').end(answer)).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const address = server.address()
  const url = `http://127.0.0.1:${typeof address === 'object' ? address?.port : ''}/keys`
  const init = { headers: new Headers(), method: 'GET' as const, redirect: 'manual' as const, signal: AbortSignal.timeout(10_000) }
  const { keys }: { keys: Array<Record<string, unknown>> } = JSON.parse(await (await fetchKeys(url, init)).text())
  return keys
}

const bits = (count: number) => Buffer.alloc(count / 8, 0xff).toString('base64url')

test('keys are taken without their certificates, and what is no key for signatures is left out', async () => {
  const pairs = await Promise.all(['RS256', 'ES512', 'EdDSA'].map((alg) => generateKeyPair(alg, { extractable: true })))
  const keys = await Promise.all(
    pairs.map(async ({ publicKey }, index) => ({ ...(await exportJWK(publicKey)), kid: `key ${index}`, use: 'sig' })),
  )
  const more = { x5c: Array.from({ length: 50 }, () => 'A'.repeat(2_000)), x5u: 'https://idp.example/', extra: { deep: [[[]]] } }
  const wrong = [null, 7, [], {}, { kty: 'oct', k: 'AAAA' }, { kty: 'RSA', n: 1, e: 'AQAB' }, { kty: 'EC', crv: 'P-256', x: 'AA' }]
  expect(await fetched(JSON.stringify({ keys: [...keys.map((key) => ({ ...key, ...more })), ...wrong] }))).toEqual(keys)
})

test('an RSA key with a modulus or an exponent whose signatures take long to verify is left out', async () => {
  const key = (n: number, e: string) => ({ kty: 'RSA', kid: `${n} ${e}`, n: bits(n), e })
  const keys = [key(2_048, 'AQAB'), key(8_192, 'AQAB'), key(8_200, 'AQAB'), key(16_384, 'AQAB'), key(2_048, bits(32)), key(2_048, bits(64))]
  expect((await fetched(JSON.stringify({ keys }))).map(({ kid }) => kid)).toEqual(['2048 AQAB', '8192 AQAB', `2048 ${bits(32)}`])
})

test.each<[string, string]>([
  [
    'more than a thousand keys',
    JSON.stringify({ keys: Array.from({ length: 1_001 }, (_, kid) => ({ kty: 'OKP', kid: `${kid}`, crv: 'Ed25519', x: 'AA' })) }),
  ],
  ['keys that nest deeply', `{"keys":[${'['.repeat(500_000)}${']'.repeat(500_000)}]}`],
  ['keys that are no list', '{"keys":{"0":{}}}'],
  ['no set', '[]'],
])('%s are no key set', async (_, answer) => {
  await expect(fetched(answer)).rejects.toBeInstanceOf(KeysNotFetched)
})

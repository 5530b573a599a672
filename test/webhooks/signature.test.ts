import { generateKeyPairSync, verify } from 'node:crypto'
import { expect, test } from 'vitest'
import { ed25519PublicBytes, ed25519PublicKey } from '../../src/lib/ed25519.ts'
import { newSecret, publicKeyText, signedHeaders } from '../../src/webhooks/signature.ts'

const request = { id: 'msg_p5jXN8AQM9LWM0D4loKWxJek', timestamp: 1_614_265_330, body: '{"test": 2432232314}' }

test('signs as the reference libraries of Standard Webhooks do', () => {
  const headers = signedHeaders(request, { secrets: ['whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw'], signingKey: undefined })
  expect(headers).toEqual({
    'webhook-id': request.id,
    'webhook-timestamp': '1614265330',
    'webhook-signature': 'v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=',
  })
})

test('signs with each secret and with the key of the gateway, which its public key verifies', () => {
  const { privateKey } = generateKeyPairSync('ed25519')
  const secrets = [newSecret(), newSecret()]
  const signatures = signedHeaders(request, { secrets, signingKey: privateKey })['webhook-signature']?.split(' ') ?? []
  expect(signatures.map((signature) => signature.split(',')[0])).toEqual(['v1', 'v1', 'v1a'])
  expect(new Set(signatures).size).toBe(3)
  const raw = Buffer.from(publicKeyText(ed25519PublicBytes(privateKey)).replace('whpk_', ''), 'base64')
  const content = Buffer.from(`${request.id}.${request.timestamp}.${request.body}`)
  expect(verify(null, content, ed25519PublicKey(raw), Buffer.from(signatures[2]?.slice(4) ?? '', 'base64'))).toBe(true)
  expect(secrets.every((secret) => Buffer.from(secret.slice(6), 'base64').length === 32)).toBe(true)
})

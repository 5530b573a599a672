import { expect, test } from 'vitest'
import { createPostman } from '../../src/webhooks/postman.ts'
import type { OutgoingRequest } from '../../src/webhooks/sender.ts'
import { newSecret, signedHeaders } from '../../src/webhooks/signature.ts'

test('signs with the secrets that hold now; header fields of the webhook do not replace the signature', async () => {
  const sent: OutgoingRequest[] = []
  let age = 4_999
  const postman = createPostman({
    sender: {
      async send(request) {
        sent.push(request)
        return { status: 200, body: '', error: undefined, retryAfterMs: undefined, durationMs: 1 }
      },
    },
    ...{ signingKey: undefined, now: () => 1_614_265_330_999, age: () => age },
  })
  const [current, old] = [newSecret(), newSecret()]
  const settings = {
    ...{ url: 'https://app.example/', topics: ['a'], direct: false, batchSize: 1, batchMs: 0, timeoutMs: 700 },
    headers: [
      { name: 'User-Agent', value: 'own' },
      { name: 'Webhook-Signature', value: 'v1,forged' },
    ],
  }
  const secrets = [{ secret: current }, { secret: old, until: 5_000 }]
  const send = () => postman.send({ client: 'tok_1', settings, secrets }, { id: 'msg_1', body: '{}' }, new AbortController().signal)
  await send()
  age = 5_000
  await send()
  const signed = (...all: string[]) =>
    signedHeaders({ id: 'msg_1', timestamp: 1_614_265_330, body: '{}' }, { secrets: all, signingKey: undefined })
  expect(sent.map(({ headers }) => headers)).toEqual([
    { 'user-agent': 'own', ...signed(current, old) },
    { 'user-agent': 'own', ...signed(current) },
  ])
  expect(sent[0]).toMatchObject({ client: 'tok_1', url: settings.url, timeoutMs: 700, body: '{}' })
})

import { expect, test } from 'vitest'
import { InvalidWebhook } from '../../src/errors.ts'
import type { WebhookSettings } from '../../src/store/webhook-store.ts'
import { changedSettings, checkSettings } from '../../src/webhooks/settings.ts'

const settings: WebhookSettings = {
  ...{ url: 'https://app.example/', topics: ['orders'], direct: false, batchSize: 10, batchMs: 0, timeoutMs: 1_000 },
  headers: [{ name: 'x-own', value: 'a' }],
}
const targets = { check: (url: string) => new URL(url) }
const check = (fields: Partial<WebhookSettings>) => checkSettings({ ...settings, ...fields }, { targets })

test('a webhook has a topic, or direct messages', () => {
  expect(() => check({})).not.toThrow()
  expect(() => check({ topics: [], direct: true })).not.toThrow()
  expect(() => check({ topics: [] })).toThrow(InvalidWebhook)
})

test.each(['Webhook-Signature', 'webhook-id', 'Content-Length', 'host', 'Transfer-Encoding', 'Proxy-Authorization', 'proxy-connection'])(
  'the header field %s is not for webhooks to set',
  (name) => {
    expect(() => check({ headers: [...settings.headers, { name, value: 'x' }] })).toThrow('/headers/1/name')
  },
)

test('a change replaces what it names, and nothing else', () => {
  expect(changedSettings(settings, {})).toEqual(settings)
  const changes = { url: 'https://b.example/', topics: [], direct: true, batchSize: 1, batchMs: 5, timeoutMs: 200, headers: [] }
  expect(changedSettings(settings, changes)).toEqual(changes)
})

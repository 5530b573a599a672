import { type ErrorDetail, InvalidWebhook } from '../errors.ts'
import type { WebhookChanges, WebhookInput } from '../model/webhook.ts'
import type { WebhookSettings } from '../store/webhook-store.ts'
import type { Targets } from './targets.ts'

/** Header fields that belong to HTTP or to the signature. */
const reserved = new Set([
  ...['connection', 'content-length', 'content-type', 'expect', 'host', 'keep-alive', 'te', 'trailer', 'transfer-encoding', 'upgrade'],
  ...['webhook-id', 'webhook-timestamp', 'webhook-signature'],
])

export function settingsOf({ url, topics, direct, batchSize, batchMs, timeoutMs, headers }: WebhookInput): WebhookSettings {
  return { url, topics, direct, batchSize, batchMs, timeoutMs, headers }
}

/** The settings with what changes of them. */
export function changedSettings(before: WebhookSettings, changes: WebhookChanges): WebhookSettings {
  const { url, topics, direct, batchSize, batchMs, timeoutMs, headers } = changes
  return {
    url: url ?? before.url,
    topics: topics ?? before.topics,
    direct: direct ?? before.direct,
    batchSize: batchSize ?? before.batchSize,
    batchMs: batchMs ?? before.batchMs,
    timeoutMs: timeoutMs ?? before.timeoutMs,
    headers: headers ?? before.headers,
  }
}

/** @throws InvalidWebhook, DialForbidden */
export function checkSettings({ url, topics, direct, headers }: WebhookSettings, { targets }: { targets: Pick<Targets, 'check'> }): void {
  targets.check(url)
  const errors: ErrorDetail[] = []
  if (topics.length === 0 && !direct) errors.push({ path: '/topics', message: 'must have a topic, unless direct is true' })
  for (const [index, { name }] of headers.entries()) {
    const isReserved = reserved.has(name.toLowerCase()) || name.toLowerCase().startsWith('proxy-')
    if (isReserved) errors.push({ path: `/headers/${index}/name`, message: 'is a header field that the gateway sets' })
  }
  const [first] = errors
  if (first !== undefined) throw new InvalidWebhook(`${first.path} ${first.message}.`, { errors })
}

import type { KeyObject } from 'node:crypto'
import type { WebhookRecord } from '../store/webhook-store.ts'
import { type Answer, type Sender, userAgent } from './sender.ts'
import { signedHeaders } from './signature.ts'

/** Sends a body to the receiver of a webhook, with the header fields and the signatures of the webhook. */
export interface Postman {
  /** @throws the signal's reason */
  send(
    webhook: Pick<WebhookRecord, 'client' | 'settings' | 'secrets'>,
    request: { id: string; body: string },
    signal: AbortSignal,
  ): Promise<Answer>
}

export function createPostman(components: {
  sender: Pick<Sender, 'send'>
  /** The Ed25519 key of this gateway. Without it, requests are signed by secrets only. */
  signingKey: KeyObject | undefined
  now: () => number
  age: () => number
}): Postman {
  const { sender, signingKey, now, age } = components
  return {
    send({ client, settings, secrets }, { id, body }, signal) {
      const { url, headers, timeoutMs } = settings
      const current = secrets.filter(({ until }) => until === undefined || until > age()).map(({ secret }) => secret)
      const signed = signedHeaders({ id, timestamp: Math.floor(now() / 1_000), body }, { secrets: current, signingKey })
      const own = Object.fromEntries(headers.map(({ name, value }) => [name.toLowerCase(), value]))
      return sender.send({ url, client, headers: { 'user-agent': userAgent, ...own, ...signed }, body, timeoutMs }, signal)
    },
  }
}

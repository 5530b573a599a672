import { peerIdFromString } from '@libp2p/peer-id'
import type { Ages } from '../clock/ages.ts'
import type { WebhookAttemptView, WebhookView } from '../model/webhook.ts'
import type { WebhookAttemptRecord, WebhookRecord } from '../store/webhook-store.ts'
import { gapView } from './body.ts'
import { publicKeyText } from './signature.ts'

/** A webhook as clients see it, without its secrets and the values of its header fields. */
export function webhookView(webhook: WebhookRecord, { clock, publicKeys }: { clock: Ages; publicKeys: string[] }): WebhookView {
  const { id, settings, state, progress, secrets, createdAt, owner: createdBy } = webhook
  const { cursor, failures, failingSince, retryAt, lastError = null, lastGap, acceptedAt } = progress
  const time = (at: number | undefined) => (at === undefined ? null : timeOf(at, clock))
  const old = secrets.find(({ until = 0 }) => until > clock.age())
  return {
    ...{ id, ...settings, state, cursor, failures, lastError, publicKeys },
    headers: settings.headers.map(({ name }) => ({ name })),
    ...{ failingSince: time(failingSince), retryAt: time(retryAt), acceptedAt: time(acceptedAt) },
    ...(lastGap === undefined ? {} : { gap: gapView(lastGap) }),
    ...{ oldSecretUntil: time(old?.until), createdAt: timeOf(createdAt, clock), createdBy },
  }
}

export function attemptView(attempt: WebhookAttemptRecord, clock: Ages): WebhookAttemptView {
  const { at, batch, messages, status, durationMs, error } = attempt
  return { at: timeOf(at, clock), webhookId: batch, messages, status, durationMs, error }
}

/** The Ed25519 keys that are in peer ids. */
export function publicKeysOf(peerIds: string[]): string[] {
  return peerIds.flatMap((text) => {
    const peerId = peerIdFromString(text)
    return peerId.type === 'Ed25519' ? [publicKeyText(peerId.publicKey.raw)] : []
  })
}

function timeOf(age: number, clock: Ages): string {
  return new Date(Math.round(clock.toWall(age))).toISOString()
}

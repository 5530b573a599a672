/**
 * The error surface: every condition a client can meet, with its stable code, its HTTP status, and whether the same
 * request may succeed later. REST returns problem+json (RFC 9457), the stream `error` frames. Errors that never reach a
 * client stay in their own rooms.
 */

/** One problem in a request. */
export interface ErrorDetail {
  /** JSON Pointer (RFC 6901) into the body or the frame, or `/<name>` of a parameter or header field; empty for the whole. */
  path: string
  message: string
  /** Address that was dialled, if the problem is about one. */
  multiaddr?: string
}

/** Maximum details per error. Together with the lengths below, it bounds the size of every error. */
export const maxErrorDetails = 10
/** Maximum characters of an error's text, and of each detail's path and message, which may quote a client or a peer. */
const maxTextLength = 1_000
const maxPathLength = 200
const maxDetailLength = 300

export interface ErrorOptions {
  /** Problems by field. */
  errors?: ErrorDetail[]
  /** Milliseconds to wait before a retry. */
  retryAfterMs?: number
  /** Extension members of the problem document (RFC 9457 §3.2). */
  extensions?: Record<string, unknown>
  cause?: unknown
}

export class PeergateError extends Error {
  readonly code: string
  readonly status: number
  readonly title: string
  readonly retryable: boolean
  readonly errors: ErrorDetail[] | undefined
  readonly retryAfterMs: number | undefined
  readonly extensions: Record<string, unknown>

  constructor(kind: Condition, detail: string, options: ErrorOptions = {}) {
    super(clip(detail, maxTextLength), options.cause === undefined ? undefined : { cause: options.cause })
    this.name = new.target.name
    this.code = kind.code
    this.status = kind.status
    this.title = kind.title
    this.retryable = kind.retryable
    this.errors = options.errors?.slice(0, maxErrorDetails).map(clipDetail)
    this.retryAfterMs = options.retryAfterMs
    this.extensions = options.extensions ?? {}
  }
}

function clipDetail({ path, message, multiaddr }: ErrorDetail): ErrorDetail {
  const address = multiaddr === undefined ? {} : { multiaddr: clip(multiaddr, maxPathLength) }
  return { path: clip(path, maxPathLength), message: clip(message, maxDetailLength), ...address }
}

/** Cuts a text to `max` UTF-16 units, without splitting a surrogate pair. */
function clip(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1).toWellFormed()}…`
}

/** A row of the table of error codes. */
export interface Condition {
  code: string
  status: number
  title: string
  retryable: boolean
}

/** Every condition, in order of declaration: the table of error codes in the contract. */
export const conditions: Condition[] = []

function condition(code: string, status: number, title: string, retryable = false) {
  const kind: Condition = { code, status, title, retryable }
  conditions.push(kind)
  return class extends PeergateError {
    constructor(detail: string, options?: ErrorOptions) {
      super(kind, detail, options)
    }
  }
}

/** The special cases of `store_unavailable`, each with its own code. */
export const storeConditions: Condition[] = []

/** Declares a special case of `store_unavailable`: code that catches that error catches this one. */
function storeCondition(code: string, title: string) {
  const kind: Condition = { code, status: 503, title, retryable: true }
  conditions.push(kind)
  storeConditions.push(kind)
  return class extends StoreUnavailable {
    override readonly code = kind.code
    override readonly title = kind.title
  }
}

// The request
export class InvalidRequest extends condition('invalid_request', 400, 'The request is not valid') {}
export class InvalidJson extends condition('invalid_json', 400, 'The body is not valid JSON') {}
export class InvalidData extends condition('invalid_data', 422, 'The data does not fit its encoding') {}
export class ParametersConflict extends condition('parameters_conflict', 422, 'These parameters do not go together') {}
export class InvalidTopic extends condition('invalid_topic', 400, 'The topic is not valid') {}
export class InvalidMultiaddr extends condition('invalid_multiaddr', 400, 'The multiaddr is not valid') {}
export class InvalidPeerId extends condition('invalid_peer_id', 400, 'The peer id is not valid') {}
export class InvalidCursor extends condition('invalid_cursor', 400, 'The cursor is not valid') {}
export class InvalidFrame extends condition('invalid_frame', 400, 'Not a valid stream frame') {}
export class UnknownFrameType extends condition('unknown_frame_type', 400, 'Unknown frame type') {}
export class UnsupportedMediaType extends condition('unsupported_media_type', 415, 'The content type is not supported') {}
export class BodyTooLarge extends condition('body_too_large', 413, 'The body is too large') {}
export class MessageTooLarge extends condition('message_too_large', 413, 'The message is too large') {}
export class UriTooLong extends condition('uri_too_long', 414, 'The URI is too long') {}
export class HeadersTooLarge extends condition('headers_too_large', 431, 'The header fields are too large') {}
export class MethodNotAllowed extends condition('method_not_allowed', 405, 'Method not allowed') {}
/** The client was too slow to send its request. A peer that is too slow is `peer_unreachable` or `request_timeout`. */
export class ClientTimeout extends condition('client_timeout', 408, 'The request did not arrive in time', true) {}
export class UpgradeRequired extends condition('upgrade_required', 426, 'This resource needs a WebSocket upgrade') {}

// Authentication and authorization
export class Unauthorized extends condition('unauthorized', 401, 'Authentication required') {}
export class InvalidToken extends condition('invalid_token', 401, 'The token is not valid') {}
export class Forbidden extends condition('forbidden', 403, 'The token does not allow this') {}
export class SessionLimit extends condition('session_limit', 503, 'Maximum number of sessions reached', true) {}
export class TokenCheckUnavailable extends condition('token_check_unavailable', 503, 'Tokens cannot be verified at the moment', true) {}
export class HostNotAllowed extends condition('host_not_allowed', 421, 'The Host header is not allowed') {}
export class OriginNotAllowed extends condition('origin_not_allowed', 403, 'The Origin is not allowed') {}
export class DialForbidden extends condition('dial_forbidden', 403, 'The dial policy forbids this address') {}

/** Keeps at least one way to administer the gateway through its API. */
export class AdminTokenNeeded extends condition('admin_token_needed', 409, 'At least one token must allow "admin"') {}

// Resources
export class RouteNotFound extends condition('route_not_found', 404, 'Resource not found') {}
export class PeerNotFound extends condition('peer_not_found', 404, 'Peer not found') {}
export class TopicNotFound extends condition('topic_not_found', 404, 'Topic not found') {}
export class MessageNotFound extends condition('message_not_found', 404, 'Message not found') {}
export class TokenNotFound extends condition('token_not_found', 404, 'Token not found') {}
export class ExpiryPassed extends condition('expiry_passed', 422, 'The expiry is in the past') {}
export class DeliveryNotFound extends condition('delivery_not_found', 404, 'Delivery not found') {}
export class WebhookNotFound extends condition('webhook_not_found', 404, 'Webhook not found') {}
export class InvalidWebhook extends condition('invalid_webhook', 422, 'The webhook cannot be sent like this') {}
export class WebhookChanged extends condition('webhook_changed', 409, 'The webhook was changed meanwhile', true) {}
export class ServiceNotFound extends condition('service_not_found', 404, 'The peer does not provide this service') {}
export class RequestNotFound extends condition('request_not_found', 404, 'Request not found') {}
export class ValidationNotFound extends condition('validation_not_found', 404, 'Validation not found') {}
export class ConsumerNotFound extends condition('consumer_not_found', 404, 'Consumer not found') {}
export class ConsumerExists extends condition('consumer_exists', 409, 'A consumer of this name has other settings') {}
export class SubscriptionNotFound extends condition('subscription_not_found', 404, 'Subscription not found') {}
export class PeerNotConnected extends condition('peer_not_connected', 409, 'The peer is not connected', true) {}
export class AddressUnsupported extends condition('address_unsupported', 422, 'The engine does not support this address') {}
export class SelfDial extends condition('self_dial', 422, 'The address belongs to this gateway') {}
export class PeerBlocked extends condition('peer_blocked', 409, 'The peer is blocked') {}

// The DHT
export class InvalidCid extends condition('invalid_cid', 400, 'The CID is not valid') {}
export class InvalidRecord extends condition('invalid_record', 422, 'The record does not prove its key') {}
export class DhtNamespaceUnsupported extends condition('dht_namespace_unsupported', 422, 'The DHT does not support this namespace') {}
export class RecordOutdated extends condition('record_outdated', 409, 'A newer record exists') {}
export class RecordNotFound extends condition('record_not_found', 404, 'No record found for this key') {}
export class DhtQuotaReached extends condition('dht_quota_reached', 429, 'Maximum number of DHT records reached', true) {}
export class DhtTimeout extends condition('dht_timeout', 504, 'The DHT did not answer in time', true) {}
export class DhtRefused extends condition('dht_refused', 503, 'No DHT peer stored the record', true) {}
export class DhtDisabled extends condition('dht_disabled', 501, 'The DHT is disabled on this gateway') {}
export class InvalidRoutingKey extends condition('invalid_routing_key', 422, 'The key or the filter cannot be understood') {}
export class InvalidIpnsRecord extends condition('invalid_ipns_record', 400, 'The IPNS record or its name is not valid') {}
export class IpnsTypeRequired extends condition('ipns_type_required', 406, 'IPNS records have a content type of their own') {}
export class RoutingNotImplemented extends condition('routing_not_implemented', 501, 'This gateway cannot route that') {}
export class DhtUnavailable extends condition('dht_unavailable', 503, 'The DHT is unavailable', true) {}

export class IdempotencyInProgress extends condition('idempotency_in_progress', 409, 'A request with this key is in progress', true) {}
export class IdempotencyKeyLimit extends condition('idempotency_key_limit', 429, 'Maximum number of idempotency keys reached', true) {}
export class IdempotencyKeyReused extends condition('idempotency_key_reused', 422, 'The idempotency key was used for another request') {}

// Cursors; each carries `earliest`, `latest` and `epoch`
export class CursorEpochMismatch extends condition('cursor_epoch_mismatch', 409, 'The cursor belongs to a different log') {}
export class CursorAhead extends condition('cursor_ahead', 409, 'The cursor is past the end of the log') {}
export class CursorExpired extends condition('cursor_expired', 410, 'Messages after the cursor were pruned') {}

/** An offset of the Durable Streams protocol, for any of these three reasons. */
export class OffsetGone extends condition('offset_gone', 410, 'The stream cannot be continued from this offset') {}

// Limits and state of the gateway
/** Carries `budget`, the exhausted budget: `token` or `address`. */
export class RateLimited extends condition('rate_limited', 429, 'Rate limit exceeded', true) {}
export class SubscriptionLimit extends condition('subscription_limit', 429, 'Maximum number of subscriptions reached') {}
export class TopicLimit extends condition('topic_limit', 409, 'Maximum number of joined topics reached') {}
export class TokenLimit extends condition('token_limit', 409, 'Maximum number of tokens reached') {}
export class PeerLimit extends condition('peer_limit', 409, 'Maximum number of labelled and blocked peers reached') {}
export class ConnectionLimit extends condition('connection_limit', 503, 'Maximum number of stream connections reached', true) {}
export class ConsumerLimit extends condition('consumer_limit', 429, 'Maximum number of consumers reached') {}
export class ValidatorLimit extends condition('validator_limit', 429, 'Maximum number of validators reached', true) {}
export class ServiceLimit extends condition('service_limit', 429, 'Maximum number of services or requests reached', true) {}
export class WebhookLimit extends condition('webhook_limit', 429, 'Maximum number of webhooks reached', true) {}
export class OutboxFull extends condition('outbox_full', 503, 'Maximum number of queued direct messages reached', true) {}
export class Overloaded extends condition('overloaded', 503, 'The gateway is overloaded', true) {}
export class Draining extends condition('draining', 503, 'The gateway is shutting down', true) {}
export class StoreUnavailable extends condition('store_unavailable', 503, 'The database is not available', true) {}
/** The disk, a quota or a limit of the database leaves no room for a write. Reads still work. */
export class DatabaseFull extends storeCondition('database_full', 'The database is full') {}
/** Reads still work. */
export class DatabaseReadOnly extends storeCondition('database_read_only', 'The database is read-only') {}
/** Further writes would be lost when the process ends. */
export class DatabaseGone extends storeCondition('database_gone', 'Files of the database were deleted or replaced') {}
/** Pages differ from what the database wrote. Operations that do not need them still work. */
export class DatabaseDamaged extends storeCondition('database_damaged', 'The database is damaged') {}
export class MeshNotReady extends condition('mesh_not_ready', 503, 'Not enough peers have joined the topic', true) {}
export class DialFailed extends condition('dial_failed', 502, 'The peer could not be dialled', true) {}
export class ProtocolUnsupported extends condition('protocol_unsupported', 502, 'The peer does not speak the protocol') {}
/** The detail is the service's own text. */
export class ServiceError extends condition('service_error', 422, 'The service returned an error') {}
export class ServiceGone extends condition('service_gone', 502, 'The service provider disconnected') {}
export class ServiceBusy extends condition('service_busy', 503, 'The service is busy', true) {}
export class RequestTimeout extends condition('request_timeout', 504, 'The service did not answer in time') {}
export class PeerUnreachable extends condition('peer_unreachable', 502, 'The peer did not answer', true) {}
export class InternalError extends condition('internal_error', 500, 'Internal error', true) {}

/**
 * Converts anything thrown to a PeergateError. Unknown errors become `internal_error`, whose detail discloses nothing
 * internal.
 */
export function toPeergateError(error: unknown): PeergateError {
  if (error instanceof PeergateError) return error
  return new InternalError('An unexpected error occurred. The log of the gateway has the details.', { cause: error })
}

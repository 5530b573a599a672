/**
 * The whole error surface: every condition a client can meet, with the code it can rely on, the HTTP status that goes with it,
 * and whether the same request may succeed later. REST answers them as problem+json (RFC 9457), the stream as `error` frames.
 */

/** One thing wrong with the request, and where: `path` is a JSON pointer-like dotted path, empty for the whole. */
export interface ErrorDetail {
  path: string
  message: string
}

/** Things wrong that one error names; with the lengths below, what an error takes to write is bounded whatever was sent. */
export const maxErrorDetails = 10
/** Characters of an error's text, and of the path and the message of each detail; they may quote what a client or a peer sent. */
const maxTextLength = 1_000
const maxPathLength = 200
const maxDetailLength = 300

export interface ErrorOptions {
  /** What is wrong with which field. */
  errors?: ErrorDetail[]
  /** Milliseconds after which a retry makes sense. */
  retryAfterMs?: number
  /** Further members of the problem document that this condition documents. */
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

function clipDetail({ path, message }: ErrorDetail): ErrorDetail {
  return { path: clip(path, maxPathLength), message: clip(message, maxDetailLength) }
}

/** At most so many characters, and none cut in two. */
function clip(text: string, max: number): string {
  return text.length <= max ? text : `${text.slice(0, max - 1).toWellFormed()}…`
}

/** A row of the table of codes. */
export interface Condition {
  code: string
  status: number
  title: string
  retryable: boolean
}

/** Every condition, in the order of declaration: the table that the contract documents. */
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

/** The cases of `store_unavailable` that have names of their own. */
export const storeConditions: Condition[] = []

/** A case of `store_unavailable`: a client that handles that code handles this one. */
function storeCondition(code: string, title: string) {
  const kind: Condition = { code, status: 503, title, retryable: true }
  conditions.push(kind)
  storeConditions.push(kind)
  return class extends StoreUnavailable {
    override readonly code = kind.code
    override readonly title = kind.title
  }
}

// What the client sent
export class InvalidRequest extends condition('invalid_request', 400, 'The request is not valid') {}
export class InvalidJson extends condition('invalid_json', 400, 'The body is not valid JSON') {}
export class InvalidData extends condition('invalid_data', 400, 'The data does not fit its encoding') {}
export class InvalidTopic extends condition('invalid_topic', 400, 'The topic is not valid') {}
export class InvalidMultiaddr extends condition('invalid_multiaddr', 400, 'The multiaddr is not valid') {}
export class InvalidPeerId extends condition('invalid_peer_id', 400, 'The peer id is not valid') {}
export class InvalidCursor extends condition('invalid_cursor', 400, 'The cursor is not valid') {}
export class InvalidFrame extends condition('invalid_frame', 400, 'This is no frame of the stream') {}
export class UnknownFrameType extends condition('unknown_frame_type', 400, 'The frame type is not known') {}
export class UnsupportedMediaType extends condition('unsupported_media_type', 415, 'The content type is not supported') {}
export class BodyTooLarge extends condition('body_too_large', 413, 'The body is too large') {}
export class MessageTooLarge extends condition('message_too_large', 413, 'The message is too large') {}
export class UriTooLong extends condition('uri_too_long', 414, 'The URI is too long') {}
export class HeadersTooLarge extends condition('headers_too_large', 431, 'The header fields are too large') {}
export class MethodNotAllowed extends condition('method_not_allowed', 405, 'The method is not allowed here') {}
/** A client that was late with its request; not a peer that is late with its answer. */
export class ClientTimeout extends condition('client_timeout', 408, 'The request did not arrive in time', true) {}
export class UpgradeRequired extends condition('upgrade_required', 426, 'This resource is a WebSocket') {}

// Who sent it
export class Unauthorized extends condition('unauthorized', 401, 'A token is needed') {}
export class InvalidToken extends condition('invalid_token', 401, 'The token is not valid') {}
export class Forbidden extends condition('forbidden', 403, 'The token does not allow this') {}
export class SessionLimit extends condition('session_limit', 503, 'Too many sessions are open', true) {}
export class TokenCheckUnavailable extends condition('token_check_unavailable', 503, 'Tokens can not be checked', true) {}
export class HostNotAllowed extends condition('host_not_allowed', 421, 'The Host is not allowed') {}
export class OriginNotAllowed extends condition('origin_not_allowed', 403, 'The Origin is not allowed') {}
export class DialForbidden extends condition('dial_forbidden', 403, 'The dial policy forbids this address') {}

/** A gateway must not come to a state in which nobody can administer it by its API. */
export class AdminTokenNeeded extends condition('admin_token_needed', 409, 'A token that allows "admin" is needed') {}

// What is there
export class RouteNotFound extends condition('route_not_found', 404, 'There is no such resource') {}
export class PeerNotFound extends condition('peer_not_found', 404, 'The peer is not known') {}
export class TopicNotFound extends condition('topic_not_found', 404, 'The topic is not known') {}
export class MessageNotFound extends condition('message_not_found', 404, 'The message is not stored here') {}
export class TokenNotFound extends condition('token_not_found', 404, 'There is no such token') {}
export class DeliveryNotFound extends condition('delivery_not_found', 404, 'There is no such delivery') {}
export class ServiceNotFound extends condition('service_not_found', 404, 'Nobody serves this') {}
export class RequestNotFound extends condition('request_not_found', 404, 'There is no such request') {}
export class ValidationNotFound extends condition('validation_not_found', 404, 'There is no such question for a verdict') {}
export class SubscriptionNotFound extends condition('subscription_not_found', 404, 'There is no such subscription') {}
export class PeerNotConnected extends condition('peer_not_connected', 409, 'The peer is not connected', true) {}
export class AddressUnsupported extends condition('address_unsupported', 422, 'The engine dials no such addresses') {}
export class SelfDial extends condition('self_dial', 422, 'The address leads to this gateway itself') {}
export class PeerBlocked extends condition('peer_blocked', 409, 'The peer is blocked') {}

// The DHT
export class InvalidCid extends condition('invalid_cid', 400, 'The CID is not valid') {}
export class InvalidRecord extends condition('invalid_record', 422, 'The record does not prove its key') {}
export class DhtNamespaceUnsupported extends condition('dht_namespace_unsupported', 422, 'The DHT has no such namespace of values') {}
export class RecordOutdated extends condition('record_outdated', 409, 'A newer record is there') {}
export class RecordNotFound extends condition('record_not_found', 404, 'No record was found under this key') {}
export class DhtQuotaReached extends condition('dht_quota_reached', 429, 'No more records are taken', true) {}
export class DhtTimeout extends condition('dht_timeout', 504, 'The DHT did not answer in time', true) {}
export class DhtRefused extends condition('dht_refused', 503, 'No peer of the DHT has taken it', true) {}
export class DhtDisabled extends condition('dht_disabled', 501, 'This gateway takes part in no DHT') {}
export class DhtUnavailable extends condition('dht_unavailable', 503, 'There is no DHT to ask', true) {}

export class IdempotencyInProgress extends condition('idempotency_in_progress', 409, 'A request with this key is under way', true) {}
export class IdempotencyKeyLimit extends condition('idempotency_key_limit', 429, 'Too many idempotency keys are remembered', true) {}
export class IdempotencyKeyReused extends condition('idempotency_key_reused', 422, 'The idempotency key was used for something else') {}

// Cursors; each carries `earliest`, `latest` and `epoch`
export class CursorEpochMismatch extends condition('cursor_epoch_mismatch', 409, 'The cursor is of another log') {}
export class CursorAhead extends condition('cursor_ahead', 409, 'The cursor is past the end of the log') {}
export class CursorExpired extends condition('cursor_expired', 410, 'Messages after the cursor were pruned') {}

// Limits and states of the gateway
/** Carries `budget`: whose is used up, the token's or the address's. */
export class RateLimited extends condition('rate_limited', 429, 'Too much was asked for in a short time', true) {}
export class SubscriptionLimit extends condition('subscription_limit', 429, 'Too many subscriptions on this connection') {}
export class TopicLimit extends condition('topic_limit', 429, 'Too many joined topics') {}
export class ConnectionLimit extends condition('connection_limit', 503, 'Too many stream connections', true) {}
export class ValidatorLimit extends condition('validator_limit', 429, 'Too many validators', true) {}
export class ServiceLimit extends condition('service_limit', 429, 'Too many services or requests', true) {}
export class OutboxFull extends condition('outbox_full', 503, 'Too many direct messages wait for their recipients', true) {}
export class Overloaded extends condition('overloaded', 503, 'The gateway is overloaded', true) {}
export class Draining extends condition('draining', 503, 'The gateway is shutting down', true) {}
export class StoreUnavailable extends condition('store_unavailable', 503, 'The database is not available', true) {}
/** The disk, a quota or a limit of the database leaves no room for a write; reads go on. */
export class DatabaseFull extends storeCondition('database_full', 'The database has no room for a write') {}
/** Reads go on. */
export class DatabaseReadOnly extends storeCondition('database_read_only', 'The database takes no writes') {}
/** What was written now would be gone with the process. */
export class DatabaseGone extends storeCondition('database_gone', 'Files of the database were deleted or replaced') {}
/** Pages are not what the database has written; what does not need them goes on. */
export class DatabaseDamaged extends storeCondition('database_damaged', 'The database is damaged') {}
export class MeshNotReady extends condition('mesh_not_ready', 503, 'Not enough peers are there for the topic', true) {}
export class DialFailed extends condition('dial_failed', 502, 'The peer could not be dialled', true) {}
export class ProtocolUnsupported extends condition('protocol_unsupported', 502, 'The peer does not speak the protocol') {}
/** In the service's own words. */
export class ServiceError extends condition('service_error', 422, 'The service answered with an error') {}
export class ServiceGone extends condition('service_gone', 502, 'Who served it went away') {}
export class ServiceBusy extends condition('service_busy', 503, 'The service is busy', true) {}
export class RequestTimeout extends condition('request_timeout', 504, 'The service did not answer in time') {}
export class PeerUnreachable extends condition('peer_unreachable', 502, 'The peer did not answer', true) {}
export class InternalError extends condition('internal_error', 500, 'Something went wrong in the gateway', true) {}

/** Anything thrown, as an error of the surface; what is not one becomes `internal_error`, whose detail says nothing of the inside. */
export function toPeergateError(error: unknown): PeergateError {
  if (error instanceof PeergateError) return error
  return new InternalError('An unexpected error was logged by the gateway.', { cause: error })
}

import { createServer } from 'node:http'
import websocket from '@fastify/websocket'
import fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from 'fastify'
import type { Logger } from 'pino'
import type { Access } from '../access/access.ts'
import type { Audit } from '../access/audit.ts'
import type { Endings } from '../access/endings.ts'
import type { Rates } from '../access/rates.ts'
import type { Dht } from '../dht/dht.ts'
import type { Deliveries } from '../direct/deliveries.ts'
import { adoptSocketsOf } from '../lib/adopt-socket.ts'
import { stringifyJson } from '../lib/json-text.ts'
import { adoptWebSocketsOf, sharedDeflate, webSocketBounds } from '../lib/web-socket-bounds.ts'
import type { Limits } from '../limits.ts'
import type { History } from '../log/history.ts'
import type { Retention } from '../log/retention.ts'
import type { Peers } from '../peers/peers.ts'
import type { Publisher } from '../publish/publisher.ts'
import type { Services } from '../services/services.ts'
import { closeCodes } from '../stream/close-codes.ts'
import { chooseSubprotocol } from '../stream/codec.ts'
import type { Stream } from '../stream/stream.ts'
import type { Metrics } from '../telemetry/metrics.ts'
import type { Topics } from '../topics/topics.ts'
import type { Validators } from '../validation/validators.ts'
import type { Webhooks } from '../webhooks/webhooks.ts'
import { type AccessInit, createAccess } from './access.ts'
import { countAnswerBytes } from './answer-bytes.ts'
import { createAuditHook } from './audit-hook.ts'
import { createAuthentication } from './authenticate.ts'
import { readBodies } from './body.ts'
import type { ByteRoom } from './byte-room.ts'
import { compressAnswers } from './compression.ts'
import { type ContractInit, createContract, documentedRoutes } from './contract.ts'
import { countRequests, type ForwardingWatch } from './count-requests.ts'
import { endWithToken } from './end-with-token.ts'
import { handleClientError, handleError } from './error-handler.ts'
import { keepToContract } from './keep-to-contract.ts'
import { refuseTheRest } from './not-found.ts'
import { type DocumentedRoute, withZod } from './operation.ts'
import { countRequestBytes } from './request-bytes.ts'
import { inTurns } from './request-turns.ts'
import { auditRoutes } from './routes/audit.ts'
import { consoleRoutes } from './routes/console.ts'
import { type ConsumerComponents, consumerRoutes } from './routes/consumers.ts'
import { delegatedRoutingRoutes } from './routes/delegated-routing.ts'
import { deliveryRoutes } from './routes/deliveries.ts'
import { dhtRoutes } from './routes/dht.ts'
import { type Documents, documentRoutes } from './routes/documents.ts'
import { type DurableStreamInit, durableStreamRoutes } from './routes/durable-streams.ts'
import { logLevelRoutes } from './routes/log-level.ts'
import { messageRoutes } from './routes/messages.ts'
import { metricRoutes } from './routes/metrics.ts'
import { type NodeComponents, nodeRoutes } from './routes/node.ts'
import { peerRoutes } from './routes/peers.ts'
import { type Probes, probeRoutes } from './routes/probes.ts'
import { publishRoutes } from './routes/publish.ts'
import { requestRoutes } from './routes/requests.ts'
import { serviceRoutes } from './routes/services.ts'
import { type SessionComponents, sessionRoutes } from './routes/sessions.ts'
import { streamPath, streamRoutes } from './routes/stream.ts'
import { type TokenComponents, tokenRoutes } from './routes/tokens.ts'
import { topicUserRoutes } from './routes/topic-users.ts'
import { type TopicComponents, topicRoutes } from './routes/topics.ts'
import { validatorRoutes } from './routes/validators.ts'
import { webhookRoutes } from './routes/webhooks.ts'
import { checkTopics } from './topic-rights.ts'
import { traceRequests } from './trace-hook.ts'
import { checkQueryEncoding, validatorCompiler } from './validation.ts'
import { limitWork, type WorkLimits } from './work-semaphores.ts'

export interface AppInit extends AccessInit, ContractInit, DurableStreamInit {
  /** Addresses and networks of proxies whose X-Forwarded-… headers are trusted. */
  trustedProxies: string[]
  /** Whether streams negotiate `permessage-deflate`. */
  streamCompression?: boolean | undefined
  /** Whether requests are traced. */
  tracing?: boolean
  limits: ContractInit['limits'] & Pick<Limits, 'maxBodyBytes' | 'maxFrameBytes' | 'slowClientMs'> & WorkLimits
}

export interface AppComponents {
  node: NodeComponents['node']
  diagnosis: NodeComponents['diagnosis'] & ForwardingWatch
  gateways: NodeComponents['gateways']
  peers: Pick<Peers, 'list' | 'get' | 'dial' | 'dialPeer' | 'hangUp' | 'forget' | 'ping' | 'annotate'>
  topics: TopicComponents['topics'] & Pick<Topics, 'joins' | 'read' | 'require'>
  retention: Pick<Retention, 'purge' | 'delete'>
  dht: Dht
  history: Pick<History, 'page' | 'get' | 'locate' | 'resolve'>
  publisher: Publisher
  consumers: ConsumerComponents['consumers']
  deliveries: Pick<Deliveries, 'send' | 'list' | 'get' | 'cancel'>
  services: Pick<Services, 'request' | 'list'>
  validators: Pick<Validators, 'list'>
  webhooks: Omit<Webhooks, 'start' | 'stop' | 'active'>
  access: Pick<Access, 'admit' | 'admitSession'>
  endings: Endings
  rates: Rates
  /** Room for requests until they are answered, and for responses until clients have read them. */
  requestBytes: ByteRoom
  answerBytes: ByteRoom
  tokens: TokenComponents['tokens']
  sessions: SessionComponents['sessions']
  audit: Audit
  stream: Pick<Stream, 'admit' | 'accept' | 'acceptEvents' | 'acceptDurable' | 'refuse'>
  probes: Probes
  metrics: Pick<Metrics, 'request' | 'text' | 'contentType'>
  logger: Logger
  /** Wall time, milliseconds since 1970. */
  now?: () => number
}

/** Maximum characters of a path parameter: a DHT key of the largest size, percent-encoded. */
const maxParamLength = 3 * 1_024
/** Timeout for receiving a complete request, in milliseconds: a body of the largest size at 25 kB/s. */
const requestTimeoutMs = 60_000
/** Timeout for receiving the header fields, which are small, in milliseconds. */
const headersTimeoutMs = 15_000
/** Interval between checks of these two timeouts, in milliseconds. */
const lateClientsCheckMs = 1_000
/**
 * Idle timeout of a connection, in milliseconds: longer than that of usual proxies (60 s), so that the proxy closes
 * first.
 */
const keepAliveTimeoutMs = 72_000

/** Default headers of every response. Only pages loosen the policy, and no other site can embed one. */
const safeHeaders = {
  'cache-control': 'no-store',
  'content-security-policy': "default-src 'none'; frame-ancestors 'none'",
  'cross-origin-resource-policy': 'same-origin',
  'referrer-policy': 'no-referrer',
  vary: 'Origin',
  'x-content-type-options': 'nosniff',
}

/** The complete HTTP app, not yet listening. @throws Error when a route lacks something that the contract needs */
export async function createApp(init: AppInit, components: AppComponents): Promise<FastifyInstance> {
  const loggerInstance: FastifyBaseLogger = components.logger
  const count = countRequests(init, components)
  const app = fastify({
    loggerInstance,
    logController: new LogController({ disableRequestLogging: true }),
    genReqId: () => crypto.randomUUID(),
    bodyLimit: init.limits.maxBodyBytes,
    return503OnClosing: false,
    routerOptions: { maxParamLength },
    // Otherwise Fastify loads compilers of its own, ajv and fast-json-stringify.
    schemaController: { compilersFactory: { buildValidator: noCompiler, buildSerializer: noCompiler } },
    serverFactory: (handle, options) => adoptSocketsOf(createServer(options.http ?? {}, inTurns(handle))),
    http: {
      requestTimeout: requestTimeoutMs,
      keepAliveTimeout: keepAliveTimeoutMs,
      headersTimeout: headersTimeoutMs,
      connectionsCheckingInterval: lateClientsCheckMs,
      // The Host check refuses a missing Host, with a problem document.
      requireHostHeader: false,
      // Other upgrades, such as h2c, are declined by continuing in HTTP/1.1 (RFC 9110 §7.8).
      shouldUpgradeCallback: ({ headers, url }) => headers.upgrade?.toLowerCase() === 'websocket' && url?.split('?')[0] === streamPath,
    },
    clientErrorHandler: handleClientError,
    frameworkErrors: (error, request, reply) => {
      reply.headers(safeHeaders)
      handleError(
        refusalOf(error, () => count(request, reply)),
        request,
        reply,
      )
    },
  })
  // Registered first, so that its hooks end a refused upgrade, whichever hook refused it.
  await app.register(websocket, {
    options: {
      ...webSocketBounds,
      perMessageDeflate: init.streamCompression === true && sharedDeflate,
      maxPayload: init.limits.maxFrameBytes,
      handleProtocols: (offered) => chooseSubprotocol(offered) ?? false,
    },
    // Called for a stream that could not be opened; the stream handles later errors of its socket.
    errorHandler: (error, socket, request) => {
      request.log.debug({ err: error }, 'a stream socket failed')
      socket.close(closeCodes.notOpened.code)
    },
    // The stream has already closed its connections; the remaining clients did not respond.
    preClose(done) {
      for (const client of app.websocketServer.clients) client.terminate()
      app.websocketServer.close(() => done())
    },
  })
  adoptWebSocketsOf(app.websocketServer)
  const contract = createContract(init)
  const routes = documentedRoutes(init, contract)
  app.setErrorHandler(handleError)
  app.setValidatorCompiler(validatorCompiler)
  app.setSerializerCompiler(() => stringifyJson)
  readBodies(app, components)
  if (init.tracing === true) traceRequests(app)
  app.addHook('onRequest', async (_request, reply) => {
    reply.headers(safeHeaders)
  })
  app.decorateRequest('client')
  app.addHook('onRequest', async (request, reply) => count(request, reply))
  app.addHook('onRequest', createAccess(init))
  app.addHook('onRequest', checkQueryEncoding)
  app.decorateRequest('grant')
  app.decorateRequest('refusal')
  app.addHook('onRequest', createAuthentication(components))
  endWithToken(app, components)
  countRequestBytes(app, components)
  countAnswerBytes(app, init.limits, components)
  compressAnswers(app, init)
  limitWork(app, init.limits)
  app.addHook('preHandler', createAuditHook(components))
  app.addHook('preHandler', checkTopics)
  app.addHook('onResponse', async (request, reply) => {
    const { operation } = request.routeOptions.config
    request.log.debug({ operation: operation?.operationId, status: reply.statusCode, ms: reply.elapsedTime }, 'request')
    components.metrics.request(operation?.operationId ?? 'none', reply.statusCode, reply.elapsedTime / 1_000)
  })
  const checkContract = keepToContract(app, routes)

  const zodApp = withZod(app)
  nodeRoutes(zodApp, components)
  peerRoutes(zodApp, components)
  topicRoutes(zodApp, components)
  topicUserRoutes(zodApp, components)
  validatorRoutes(zodApp, components)
  dhtRoutes(zodApp, components)
  delegatedRoutingRoutes(zodApp, contract.delegatedRouting, init, components)
  publishRoutes(zodApp, contract.publish, components)
  messageRoutes(zodApp, components)
  consumerRoutes(zodApp, components)
  deliveryRoutes(zodApp, contract.deliveries, components)
  serviceRoutes(zodApp, components)
  webhookRoutes(zodApp, components)
  requestRoutes(zodApp, contract.requests, components)
  streamRoutes(zodApp, components)
  durableStreamRoutes(zodApp, init, components)
  tokenRoutes(zodApp, components)
  sessionRoutes(zodApp, components)
  auditRoutes(zodApp, components)
  probeRoutes(zodApp, components)
  if (init.metricsElsewhere !== true) metricRoutes(zodApp, contract.metrics, components)
  logLevelRoutes(zodApp, components)
  let documents: Promise<Documents> | undefined
  documentRoutes(zodApp, { documents: () => (documents ??= makeDocuments(routes)), rates: components.rates })
  consoleRoutes(zodApp, components)
  checkContract()
  refuseTheRest(app, routes)
  await app.ready()
  return app
}

function noCompiler(): never {
  throw new Error('the app sets its own compilers')
}

/** Made for the first who asks: until then, neither the generators nor the library for YAML are loaded. */
async function makeDocuments(routes: DocumentedRoute[]): Promise<Documents> {
  const { documentsOf } = await import('./openapi.ts')
  return documentsOf(routes)
}

/** The error of a request that reaches no hook: the refusal of its count, or else its own error. */
function refusalOf(error: unknown, count: () => void): unknown {
  try {
    count()
    return error
  } catch (refusal) {
    return refusal
  }
}

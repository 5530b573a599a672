import type { Limits } from '../limits.ts'
import { type DocumentedRoute, documentedRoute, type RouteDeclaration } from './operation.ts'
import { auditContract } from './routes/audit.ts'
import { consoleContract } from './routes/console.ts'
import { consumerContract } from './routes/consumer-contract.ts'
import { type DelegatedRoutingInit, delegatedRoutingContract } from './routes/delegated-routing.ts'
import { deliveryContract } from './routes/deliveries.ts'
import { dhtContract } from './routes/dht.ts'
import { documentContract } from './routes/documents.ts'
import { durableStreamContract } from './routes/durable-streams.ts'
import { logLevelContract } from './routes/log-level.ts'
import { messageContract } from './routes/message-contract.ts'
import { metricContract } from './routes/metrics.ts'
import { nodeContract } from './routes/node.ts'
import { peerContract } from './routes/peers.ts'
import { probeContract } from './routes/probes.ts'
import { publishContract } from './routes/publish.ts'
import { requestContract } from './routes/requests.ts'
import { serviceContract } from './routes/services.ts'
import { sessionContract } from './routes/sessions.ts'
import { streamContract } from './routes/stream.ts'
import { tokenContract } from './routes/tokens.ts'
import { topicUserContract } from './routes/topic-users.ts'
import { topicContract } from './routes/topics.ts'
import { validatorContract } from './routes/validators.ts'
import { webhookContract } from './routes/webhook-contract.ts'

/** What the contract depends on: the limits in it, and how the metrics are served. */
export interface ContractInit extends DelegatedRoutingInit {
  limits: Pick<Limits, 'maxDeliveryMs' | 'maxPublishMessages' | 'requestTimeoutMs'>
  /** Whether the metrics are served on a port of their own instead. */
  metricsElsewhere?: boolean
  /** Whether the metrics need no token. */
  metricsPublic?: boolean | undefined
}

/** The routes of the contract, by the module that serves them, in the order of the document. */
export type Contract = ReturnType<typeof createContract>

export function createContract(init: ContractInit) {
  return {
    node: nodeContract,
    peers: peerContract,
    topics: topicContract,
    topicUsers: topicUserContract,
    validators: validatorContract,
    dht: dhtContract,
    delegatedRouting: delegatedRoutingContract(init),
    publish: publishContract(init),
    messages: messageContract,
    consumers: consumerContract,
    deliveries: deliveryContract(init),
    services: serviceContract,
    webhooks: webhookContract,
    requests: requestContract(init),
    stream: streamContract,
    durableStreams: durableStreamContract,
    tokens: tokenContract,
    sessions: sessionContract,
    audit: auditContract,
    probes: probeContract,
    metrics: metricContract({ isPublic: init.metricsPublic === true }),
    logLevel: logLevelContract,
    documents: documentContract,
    console: consoleContract,
  }
}

/** @throws Error when a route lacks something that the contract needs */
export function documentedRoutes(init: ContractInit, contract: Contract): DocumentedRoute[] {
  const modules: Record<string, Record<string, RouteDeclaration>> = contract
  return Object.entries(modules)
    .filter(([name]) => name !== 'metrics' || init.metricsElsewhere !== true)
    .flatMap(([, routes]) => Object.values(routes).map(documentedRoute))
}

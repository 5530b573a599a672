import { z } from 'zod'
import { visibleTo } from '../../model/grant.ts'
import { maxLabelLength, multiaddrSchema, peerIdSchema, peerSchema, peerStateSchema } from '../../model/peer.ts'
import { nameSchema } from '../../model/text.ts'
import { topicSchema } from '../../model/topic.ts'
import type { Peers } from '../../peers/peers.ts'
import { clientSignal } from '../client-signal.ts'
import { keyOf } from '../count-requests.ts'
import { peerExample } from '../examples.ts'
import { flagQuery, limitQuery, peerIdInput, peerIdParams } from '../inputs.ts'
import { type App, declareRoute, empty, json, noBody, noQuery } from '../operation.ts'
import { topicOfQuery } from '../topic-rights.ts'

const peerPageSchema = z
  .object({
    items: z.array(peerSchema),
    next: peerIdSchema.nullable().describe('Value of `after` for the next page; null on the last page.'),
  })
  .meta({ id: 'PeerPage' })

const labelSchema = nameSchema(maxLabelLength).nullable().describe('Label of the peer, given by the operator; null for none.')

const changesSchema = z
  .strictObject({
    label: labelSchema.optional(),
    blocked: z
      .boolean()
      .optional()
      .describe('Whether the peer is blocked. Blocking closes its links and refuses new ones, in both directions.'),
  })
  .refine((changes) => Object.keys(changes).length > 0, 'must change something: "label" or "blocked"')
  .meta({ id: 'PeerChanges', description: 'What to change of a peer: at least one field.', minProperties: 1 })

const dialSchema = z
  .strictObject({ multiaddr: multiaddrSchema.optional(), peerId: peerIdInput.optional() })
  .refine(({ multiaddr, peerId }) => (multiaddr === undefined) !== (peerId === undefined), 'must have either "multiaddr" or "peerId"')
  .meta({ id: 'DialInput', description: 'The peer to dial: exactly one of `multiaddr` and `peerId`.', minProperties: 1, maxProperties: 1 })
const pingSchema = z.object({ latencyMs: z.number().describe('Round-trip time, in milliseconds.') }).meta({ id: 'Ping' })

const peerProblems = ['peer_not_found', 'store_unavailable']

export const peerContract = {
  listPeers: declareRoute({
    method: 'GET',
    url: '/v1/peers',
    config: {
      operation: {
        action: 'peers',
        topics: topicOfQuery,
        operationId: 'listPeers',
        work: 'list',
        summary: 'List connected and known peers',
        description: 'Sorted by peer id.',
        tag: 'Peers',
        problems: ['store_unavailable'],
      },
    },
    schema: {
      querystring: z.strictObject({
        state: peerStateSchema.optional().describe('Only peers in this state; `known` peers are neither connected nor blocked.'),
        topic: topicSchema.optional().describe('Only connected peers known to have joined this topic.'),
        after: peerIdInput.optional().describe('Only peers after this one.'),
        limit: limitQuery,
      }),
      response: { 200: json('A page of peers.', peerPageSchema, { items: [peerExample], next: null }) },
    },
  }),
  dialPeer: declareRoute({
    method: 'POST',
    url: '/v1/peers',
    config: {
      operation: {
        action: 'peers',
        cost: 100,
        work: 'dial',
        operationId: 'dialPeer',
        summary: 'Dial a peer',
        description:
          'Dials a peer at an address, or by peer id at its known addresses and those found in the DHT. Responds once a link exists, including ' +
          'one that existed before. The peer is dialled again after a restart, also at this address if it answered there.',
        repetition: 'A repetition responds with the link that exists.',
        tag: 'Peers',
        problems: [
          'peer_not_found',
          'dial_forbidden',
          'dial_failed',
          'address_unsupported',
          'self_dial',
          'peer_blocked',
          'store_unavailable',
        ],
      },
    },
    schema: {
      querystring: noQuery,
      body: dialSchema.meta({ example: { multiaddr: peerExample.multiaddrs[0] } }),
      response: { 201: json('The peer.', peerSchema, peerExample, { Location: 'URL of the peer.' }) },
    },
  }),
  getPeer: declareRoute({
    method: 'GET',
    url: '/v1/peers/:peerId',
    config: { operation: { action: 'peers', operationId: 'getPeer', summary: 'Get a peer', tag: 'Peers', problems: peerProblems } },
    schema: { params: peerIdParams, querystring: noQuery, response: { 200: json('The peer.', peerSchema, peerExample) } },
  }),
  updatePeer: declareRoute({
    method: 'PATCH',
    url: '/v1/peers/:peerId',
    config: {
      operation: {
        action: 'peers',
        audited: true,
        cost: 5,
        operationId: 'updatePeer',
        summary: 'Label or block a peer',
        description: 'The peer need not be known, so that it can be blocked before it connects.',
        tag: 'Peers',
        problems: ['peer_limit', 'store_unavailable'],
      },
    },
    schema: {
      params: peerIdParams,
      querystring: noQuery,
      body: changesSchema.meta({ example: { label: 'the one in the cellar' } }),
      response: { 200: json('The peer.', peerSchema, peerExample) },
    },
  }),
  hangUpPeer: declareRoute({
    method: 'DELETE',
    url: '/v1/peers/:peerId',
    config: {
      operation: {
        action: 'peers',
        audited: true,
        operationId: 'hangUpPeer',
        summary: 'Hang up on a peer',
        description: 'Closes all links to the peer, which may connect again. Does nothing if there is no link.',
        tag: 'Peers',
        problems: peerProblems,
      },
    },
    schema: {
      params: peerIdParams,
      querystring: z.strictObject({
        forget: flagQuery.describe('Whether to remove the stored data of the peer too: addresses, label and block.'),
      }),
      response: { 204: empty('The peer is not connected.') },
    },
  }),
  pingPeer: declareRoute({
    method: 'POST',
    url: '/v1/peers/:peerId/ping',
    config: {
      operation: {
        action: 'peers',
        cost: 10,
        work: 'dial',
        operationId: 'pingPeer',
        summary: 'Ping a connected peer',
        repetition: 'A repetition pings again.',
        tag: 'Peers',
        problems: ['peer_not_connected', 'peer_unreachable'],
      },
    },
    schema: {
      params: peerIdParams,
      querystring: noQuery,
      body: noBody,
      response: {
        200: json('The peer answered.', pingSchema, { latencyMs: 12.5 }),
      },
    },
  }),
}

export function peerRoutes(
  app: App,
  components: { peers: Pick<Peers, 'list' | 'get' | 'dial' | 'dialPeer' | 'hangUp' | 'forget' | 'ping' | 'annotate'> },
): void {
  const { peers } = components

  app.route({
    ...peerContract.listPeers,
    handler: async ({ query, grant }) => {
      const { items, next } = await peers.list(query)
      return { items: items.map((peer) => visibleTo(grant, peer)), next }
    },
  })

  app.route({
    ...peerContract.dialPeer,
    handler: async ({ body: { multiaddr, peerId }, grant, client }, reply) => {
      const options = { signal: clientSignal(reply) }
      const peer = await (peerId === undefined
        ? peers.dial(multiaddr ?? '', { ...options, asker: keyOf({ grant, client }) })
        : peers.dialPeer(peerId, { ...options, isAsked: true }))
      return reply.code(201).header('location', `/v1/peers/${peer.peerId}`).send(visibleTo(grant, peer))
    },
  })

  app.route({
    ...peerContract.getPeer,
    handler: async ({ params, grant }) => visibleTo(grant, await peers.get(params.peerId)),
  })

  app.route({
    ...peerContract.updatePeer,
    handler: async ({ params, body, grant }) => visibleTo(grant, await peers.annotate(params.peerId, body)),
  })

  app.route({
    ...peerContract.hangUpPeer,
    handler: async ({ params, query }, reply) => {
      await (query.forget ? peers.forget(params.peerId) : peers.hangUp(params.peerId))
      return reply.code(204).send()
    },
  })

  app.route({
    ...peerContract.pingPeer,
    handler: async ({ params }, reply) => ({ latencyMs: await peers.ping(params.peerId, { signal: clientSignal(reply) }) }),
  })
}

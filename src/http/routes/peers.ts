import { z } from 'zod'
import { type Grant, requireTopic, visibleTopics } from '../../model/grant.ts'
import { maxLabelLength, multiaddrSchema, type Peer, peerIdSchema, peerSchema, peerStateSchema } from '../../model/peer.ts'
import { nameSchema } from '../../model/text.ts'
import { topicSchema } from '../../model/topic.ts'
import type { Peers } from '../../peers/peers.ts'
import { clientSignal } from '../client-signal.ts'
import { peerExample } from '../examples.ts'
import { flagQuery, limitQuery, peerIdInput, peerIdParams } from '../inputs.ts'
import { type App, empty, json, noQuery } from '../operation.ts'

const peerPageSchema = z
  .object({
    items: z.array(peerSchema),
    next: peerIdSchema.nullable().describe('What to pass as `after` for the next page; null on the last one.'),
  })
  .meta({ id: 'PeerPage' })

const labelSchema = nameSchema(maxLabelLength).nullable().describe('What you call the peer; null for nothing.')

const changesSchema = z
  .strictObject({
    label: labelSchema.optional(),
    blocked: z.boolean().optional().describe('Blocking closes the links to the peer and refuses new ones, in both directions.'),
  })
  .refine((changes) => Object.keys(changes).length > 0, 'must change something: "label" or "blocked"')
  .meta({ example: { label: 'the one in the cellar' } })

const peerProblems = ['invalid_peer_id', 'peer_not_found', 'store_unavailable']

/** Without topics that the client may not know of. */
function visible(grant: Grant, peer: Peer): Peer {
  return { ...peer, topics: visibleTopics(grant, peer.topics) }
}

export function peerRoutes(
  app: App,
  components: { peers: Pick<Peers, 'list' | 'get' | 'dial' | 'dialPeer' | 'hangUp' | 'forget' | 'ping' | 'annotate'> },
): void {
  const { peers } = components

  app.route({
    method: 'GET',
    url: '/v1/peers',
    config: {
      operation: {
        action: 'peers',
        operationId: 'listPeers',
        summary: 'Peers that are connected or were ever seen',
        description: 'By peer id.',
        tag: 'Peers',
        problems: ['invalid_topic', 'invalid_peer_id', 'store_unavailable'],
      },
    },
    schema: {
      querystring: z.strictObject({
        state: peerStateSchema.optional().describe('Only those in this state; `known` are neither connected nor blocked.'),
        topic: topicSchema.optional().describe('Only connected peers known to have joined this topic.'),
        after: peerIdInput.optional().describe('Peers after this one.'),
        limit: limitQuery,
      }),
      response: { 200: json('A page of peers.', peerPageSchema, { items: [peerExample], next: null }) },
    },
    handler: async ({ query, grant }) => {
      if (query.topic !== undefined) requireTopic(grant, query.topic)
      const { items, next } = await peers.list(query)
      return { items: items.map((peer) => visible(grant, peer)), next }
    },
  })

  app.route({
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
          'At an address, or by its id alone: then at the addresses that are known, and at those that the DHT finds. Answers once the link is ' +
          'there, the one that was there already included. The peer is dialled again after a restart, at this address too if it was found there.',
        tag: 'Peers',
        problems: [
          'invalid_multiaddr',
          'invalid_peer_id',
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
      body: z
        .strictObject({ multiaddr: multiaddrSchema.optional(), peerId: peerIdInput.optional() })
        .refine(({ multiaddr, peerId }) => (multiaddr === undefined) !== (peerId === undefined), 'must have either "multiaddr" or "peerId"')
        .meta({ example: { multiaddr: peerExample.multiaddrs[0] } }),
      response: { 201: json('The peer.', peerSchema, peerExample, { Location: 'Where the peer is.' }) },
    },
    handler: async ({ body: { multiaddr, peerId }, grant }, reply) => {
      const options = { signal: clientSignal(reply) }
      const peer = await (peerId === undefined
        ? peers.dial(multiaddr ?? '', options)
        : peers.dialPeer(peerId, { ...options, isAsked: true }))
      return reply.code(201).header('location', `/v1/peers/${peer.peerId}`).send(visible(grant, peer))
    },
  })

  app.route({
    method: 'GET',
    url: '/v1/peers/:peerId',
    config: { operation: { action: 'peers', operationId: 'getPeer', summary: 'A peer', tag: 'Peers', problems: peerProblems } },
    schema: { params: peerIdParams, querystring: noQuery, response: { 200: json('The peer.', peerSchema, peerExample) } },
    handler: async ({ params, grant }) => visible(grant, await peers.get(params.peerId)),
  })

  app.route({
    method: 'PATCH',
    url: '/v1/peers/:peerId',
    config: {
      operation: {
        action: 'peers',
        audited: true,
        operationId: 'updatePeer',
        summary: 'Label or block a peer',
        description: 'Also one that was never seen, so that it can be blocked before it comes.',
        tag: 'Peers',
        problems: ['invalid_peer_id', 'store_unavailable'],
      },
    },
    schema: {
      params: peerIdParams,
      querystring: noQuery,
      body: changesSchema,
      response: { 200: json('The peer.', peerSchema, peerExample) },
    },
    handler: async ({ params, body, grant }) => visible(grant, await peers.annotate(params.peerId, body)),
  })

  app.route({
    method: 'DELETE',
    url: '/v1/peers/:peerId',
    config: {
      operation: {
        action: 'peers',
        audited: true,
        operationId: 'hangUpPeer',
        summary: 'Hang up on a peer',
        description: 'Closes the links to it; it may come back. Nothing happens when there is none.',
        tag: 'Peers',
        problems: peerProblems,
      },
    },
    schema: {
      params: peerIdParams,
      querystring: z.strictObject({ forget: flagQuery.describe('Also remove what is stored of the peer: addresses, label and block.') }),
      response: { 204: empty('There is no link to it now.') },
    },
    handler: async ({ params, query }, reply) => {
      await (query.forget ? peers.forget(params.peerId) : peers.hangUp(params.peerId))
      return reply.code(204).send()
    },
  })

  app.route({
    method: 'POST',
    url: '/v1/peers/:peerId/ping',
    config: {
      operation: {
        action: 'peers',
        cost: 10,
        work: 'dial',
        operationId: 'pingPeer',
        summary: 'Ping a connected peer',
        tag: 'Peers',
        problems: ['invalid_peer_id', 'peer_not_connected', 'peer_unreachable'],
      },
    },
    schema: {
      params: peerIdParams,
      querystring: noQuery,
      body: z.strictObject({}).optional().meta({ example: {} }),
      response: {
        200: json('It answered.', z.object({ latencyMs: z.number().describe('The round trip.') }).meta({ id: 'Ping' }), {
          latencyMs: 12.5,
        }),
      },
    },
    handler: async ({ params }, reply) => ({ latencyMs: await peers.ping(params.peerId, { signal: clientSignal(reply) }) }),
  })
}

import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Dht } from '../../dht/dht.ts'
import { dhtKeySchema, dhtValueSchema, type FoundPeerView, foundPeerSchema } from '../../model/dht-value.ts'
import { decodePayload, type PayloadInput, payloadInputSchema, wantedEncodingSchema } from '../../model/payload.ts'
import { acceptsLines, sendLines, withFirst } from '../answer-lines.ts'
import { clientSignal } from '../client-signal.ts'
import { dhtValueExample, foundPeerExample } from '../examples.ts'
import { limitQuery, peerIdParams, waitQuery } from '../inputs.ts'
import { type App, declareRoute, empty, json, noBody, noQuery, orLines } from '../operation.ts'

const timeout = {
  timeoutMs: waitQuery.optional().describe('Timeout of the operation, in milliseconds. Default and maximum: `dhtTimeoutMs`.'),
}
const keyParams = z.strictObject({ key: dhtKeySchema })
const cidSchema = z.string().min(1).max(256).meta({
  id: 'Cid',
  description: 'A CID of any version.',
  format: 'cid',
  example: 'bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4',
})
const cidParams = z.strictObject({ cid: cidSchema })
const foundPeersSchema = z.object({ items: z.array(foundPeerSchema) }).meta({ id: 'FoundPeers' })
const foundPeers = {
  200: orLines(
    json('The peers found within the timeout, in the order in which they were found.', foundPeersSchema, { items: [foundPeerExample] }),
    foundPeerSchema,
  ),
}

const network = ['dht_disabled', 'dht_unavailable', 'dht_timeout', 'store_unavailable']
const valueProblems = ['invalid_record', 'dht_namespace_unsupported', ...network]
const putProblems = [...valueProblems, 'dht_refused', 'record_outdated', 'invalid_data', 'dht_quota_reached']
const putAnswer = { 200: json('The value is stored at other peers.', dhtValueSchema, dhtValueExample) }
const operation = { action: 'dht', tag: 'DHT', cost: 100, work: 'lookup' } as const
const putDescription =
  'Under `/peergate/imm/<sha256>`, `data` is the value with this hash. Under a name of this gateway, `data` is the value, which the gateway ' +
  'signs as the newest. Under a name of another peer, and in other namespaces, `data` is the complete record, which must prove its key. ' +
  'An `application/octet-stream` body is the data.'

export const dhtContract = {
  getDhtValue: declareRoute({
    method: 'GET',
    url: '/v1/dht/values/:key',
    config: {
      operation: {
        ...operation,
        operationId: 'getDhtValue',
        summary: 'Get a DHT value',
        problems: [...valueProblems, 'record_not_found'],
      },
    },
    schema: {
      params: keyParams,
      querystring: z.strictObject({ encoding: wantedEncodingSchema, ...timeout }),
      response: { 200: json('The best verified value found.', dhtValueSchema, dhtValueExample) },
    },
  }),
  getDhtValueByQuery: declareRoute({
    method: 'GET',
    url: '/v1/dht/values',
    config: {
      operation: {
        ...operation,
        operationId: 'getDhtValueByQuery',
        summary: 'Get a DHT value',
        description: 'Gets a DHT value by a key in the query, since proxies mishandle encoded slashes in a path.',
        problems: [...valueProblems, 'record_not_found'],
      },
    },
    schema: {
      querystring: z.strictObject({ key: dhtKeySchema, encoding: wantedEncodingSchema, ...timeout }),
      response: { 200: json('The best verified value found.', dhtValueSchema, dhtValueExample) },
    },
  }),
  putDhtValue: declareRoute({
    method: 'PUT',
    url: '/v1/dht/values/:key',
    config: {
      operation: {
        ...operation,
        operationId: 'putDhtValue',
        summary: 'Store a value in the DHT',
        description: putDescription,
        rawBody: true,
        problems: putProblems,
      },
    },
    schema: {
      params: keyParams,
      querystring: z.strictObject(timeout),
      body: payloadInputSchema.meta({ example: { data: 'test' } }),
      response: putAnswer,
    },
  }),
  putDhtValueByQuery: declareRoute({
    method: 'PUT',
    url: '/v1/dht/values',
    config: {
      operation: {
        ...operation,
        operationId: 'putDhtValueByQuery',
        summary: 'Store a value in the DHT',
        description: `Stores a DHT value under a key in the query, or without a key under its hash. ${putDescription}`,
        rawBody: true,
        problems: putProblems,
      },
    },
    schema: {
      querystring: z.strictObject({
        key: dhtKeySchema.optional().describe('Default: `/peergate/imm/` and the hash of the data.'),
        ...timeout,
      }),
      body: payloadInputSchema.meta({ example: { data: 'test' } }),
      response: putAnswer,
    },
  }),
  findDhtProviders: declareRoute({
    method: 'GET',
    url: '/v1/dht/providers/:cid',
    config: {
      operation: {
        ...operation,
        operationId: 'findDhtProviders',
        summary: 'Find providers of content',
        description: 'As `application/x-ndjson`, returns one line per peer, as it is found.',
        problems: ['invalid_cid', ...network],
      },
    },
    schema: { params: cidParams, querystring: z.strictObject({ limit: limitQuery, ...timeout }), response: foundPeers },
  }),
  provideInDht: declareRoute({
    method: 'POST',
    url: '/v1/dht/providers/:cid',
    config: {
      operation: {
        ...operation,
        operationId: 'provideInDht',
        summary: 'Announce that this gateway provides content',
        description: 'The announcement is repeated before it expires, also after a restart, until it is withdrawn by `DELETE`.',
        repetition: 'A repetition announces the same again.',
        problems: ['invalid_cid', 'dht_quota_reached', 'dht_refused', ...network],
      },
    },
    schema: {
      params: cidParams,
      querystring: z.strictObject(timeout),
      body: noBody,
      response: { 204: empty('The closest peers have stored the announcement.') },
    },
  }),
  stopProvidingInDht: declareRoute({
    method: 'DELETE',
    url: '/v1/dht/providers/:cid',
    config: {
      operation: {
        ...operation,
        operationId: 'stopProvidingInDht',
        summary: 'Stop announcing that this gateway provides content',
        description: 'Announcements at other peers expire within a day or two.',
        problems: ['invalid_cid', 'dht_disabled', 'dht_unavailable', 'store_unavailable'],
      },
    },
    schema: { params: cidParams, querystring: noQuery, response: { 204: empty('The content is no longer announced.') } },
  }),
  findDhtPeer: declareRoute({
    method: 'GET',
    url: '/v1/dht/peers/:peerId',
    config: {
      operation: {
        ...operation,
        operationId: 'findDhtPeer',
        summary: 'Find the addresses of a peer',
        problems: ['peer_not_found', ...network],
      },
    },
    schema: {
      params: peerIdParams,
      querystring: z.strictObject(timeout),
      response: { 200: json('The peer.', foundPeerSchema, foundPeerExample) },
    },
  }),
  findClosestDhtPeers: declareRoute({
    method: 'GET',
    url: '/v1/dht/closest',
    config: {
      operation: {
        ...operation,
        operationId: 'findClosestDhtPeers',
        summary: 'Find the peers closest to a key',
        description:
          'At most 20 peers, closest first: those that would store a value under this key. As `application/x-ndjson`, returns one line per peer.',
        problems: network,
      },
    },
    schema: {
      querystring: z.strictObject({ key: dhtKeySchema, limit: limitQuery, ...timeout }),
      response: foundPeers,
    },
  }),
}

export function dhtRoutes(app: App, components: { dht: Dht }): void {
  const { dht } = components

  app.route({
    ...dhtContract.getDhtValue,
    handler: ({ params, query }, reply) => dht.get(params.key, { ...query, signal: clientSignal(reply) }),
  })

  app.route({
    ...dhtContract.getDhtValueByQuery,
    handler: ({ query: { key, ...query } }, reply) => dht.get(key, { ...query, signal: clientSignal(reply) }),
  })

  app.route({
    ...dhtContract.putDhtValue,
    handler: ({ params, query, body }, reply) => dht.put(params.key, dataOf(body), { ...query, signal: clientSignal(reply) }),
  })

  app.route({
    ...dhtContract.putDhtValueByQuery,
    handler: ({ query: { key, ...query }, body }, reply) => dht.put(key, dataOf(body), { ...query, signal: clientSignal(reply) }),
  })

  app.route({
    ...dhtContract.findDhtProviders,
    handler: ({ params, query, headers }, reply) =>
      answerFound(headers, reply, dht.findProviders(params.cid, { ...query, signal: clientSignal(reply) })),
  })

  app.route({
    ...dhtContract.provideInDht,
    handler: async ({ params, query }, reply) => {
      await dht.provide(params.cid, { ...query, signal: clientSignal(reply) })
      return reply.code(204).send()
    },
  })

  app.route({
    ...dhtContract.stopProvidingInDht,
    handler: async ({ params }, reply) => {
      await dht.stopProviding(params.cid)
      return reply.code(204).send()
    },
  })

  app.route({
    ...dhtContract.findDhtPeer,
    handler: ({ params, query }, reply) => dht.findPeer(params.peerId, { ...query, signal: clientSignal(reply) }),
  })

  app.route({
    ...dhtContract.findClosestDhtPeers,
    handler: ({ query: { key, ...query }, headers }, reply) =>
      answerFound(headers, reply, dht.closestPeers(Buffer.from(key), { ...query, signal: clientSignal(reply) })),
  })
}

function dataOf(body: PayloadInput | Buffer): Uint8Array {
  return Buffer.isBuffer(body) ? body : decodePayload(body.data, body.encoding)
}

/** Returns all peers, or one line per peer as it is found. */
async function answerFound(headers: FastifyRequest['headers'], reply: FastifyReply, found: AsyncIterable<FoundPeerView>) {
  const { items } = await withFirst(found)
  return acceptsLines(headers) ? sendLines(reply, items) : { items: await Array.fromAsync(items) }
}

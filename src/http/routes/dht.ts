import { Readable } from 'node:stream'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import type { Dht } from '../../dht/dht.ts'
import { InvalidRequest } from '../../errors.ts'
import { dhtKeySchema, dhtValueSchema, type FoundPeerView, foundPeerSchema } from '../../model/dht-value.ts'
import { dataSchema, decodePayload, type Encoding, encodingSchema } from '../../model/payload.ts'
import { clientSignal } from '../client-signal.ts'
import { dhtValueExample, foundPeerExample } from '../examples.ts'
import { limitQuery, peerIdParams, waitQuery } from '../inputs.ts'
import { type App, empty, json, noQuery, orLines } from '../operation.ts'

const timeout = { timeoutMs: waitQuery.optional().describe('How long it may take; `dhtTimeoutMs` at most, and when absent.') }
const encoding = { encoding: encodingSchema.optional().describe('Have `data` in base64 whatever it is.') }
const keyParams = z.strictObject({ key: dhtKeySchema })
const cidSchema = z
  .string()
  .min(1)
  .max(256)
  .meta({ id: 'Cid', description: 'A CID of any version.', example: 'bafkreifjjcie6lypi6ny7amxnfftagclbuxndqonfipmb64f2km2devei4' })
const cidParams = z.strictObject({ cid: cidSchema })
const payload = { data: dataSchema, encoding: encodingSchema.optional().describe('What `data` is; `utf8` when absent.') }

const foundPeersSchema = z.object({ items: z.array(foundPeerSchema) }).meta({ id: 'FoundPeers' })
const foundPeers = {
  200: orLines(json('Those found in time, in the order they were.', foundPeersSchema, { items: [foundPeerExample] }), foundPeerSchema),
}

const network = ['dht_disabled', 'dht_unavailable', 'dht_timeout', 'store_unavailable']
const valueProblems = ['invalid_record', 'dht_namespace_unsupported', ...network]
const putProblems = [...valueProblems, 'dht_refused', 'record_outdated', 'invalid_data', 'dht_quota_reached']
const putAnswer = { 200: json('Stored at other peers.', dhtValueSchema, dhtValueExample) }
const operation = { action: 'dht', tag: 'DHT', cost: 100, work: 'lookup' } as const
const putDescription =
  'Under `/peergate/imm/<sha256>` the data is the value that has this hash. Under a name of this gateway the data is the value, which it signs as the newest; under a name of ' +
  'another peer, and in other namespaces, it is the whole record, which proves its key. As `application/octet-stream` the body is the data.'

export function dhtRoutes(app: App, components: { dht: Dht }): void {
  const { dht } = components

  app.route({
    method: 'GET',
    url: '/v1/dht/values/:key',
    config: {
      operation: {
        ...operation,
        operationId: 'getDhtValue',
        summary: 'A value of the DHT',
        problems: [...valueProblems, 'record_not_found'],
      },
    },
    schema: {
      params: keyParams,
      querystring: z.strictObject({ ...encoding, ...timeout }),
      response: { 200: json('The best of those found, verified.', dhtValueSchema, dhtValueExample) },
    },
    handler: ({ params, query }, reply) => dht.get(params.key, { ...query, signal: clientSignal(reply) }),
  })

  app.route({
    method: 'GET',
    url: '/v1/dht/values',
    config: {
      operation: {
        ...operation,
        operationId: 'getDhtValueByQuery',
        summary: 'A value of the DHT',
        description: 'The same with the key in the query, since proxies mishandle the slashes of a path.',
        problems: [...valueProblems, 'record_not_found'],
      },
    },
    schema: {
      querystring: z.strictObject({ key: dhtKeySchema, ...encoding, ...timeout }),
      response: { 200: json('The best of those found, verified.', dhtValueSchema, dhtValueExample) },
    },
    handler: ({ query: { key, ...query } }, reply) => dht.get(key, { ...query, signal: clientSignal(reply) }),
  })

  app.route({
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
      body: z.strictObject(payload).meta({ example: { data: 'test' } }),
      response: putAnswer,
    },
    handler: ({ params, query, body }, reply) => dht.put(params.key, dataOf(body), { ...query, signal: clientSignal(reply) }),
  })

  app.route({
    method: 'PUT',
    url: '/v1/dht/values',
    config: {
      operation: {
        ...operation,
        operationId: 'putDhtValueInBody',
        summary: 'Store a value in the DHT',
        description: `The same with the key in the body, or in the query when the body is raw; without one the data is stored under its hash. ${putDescription}`,
        rawBody: true,
        problems: putProblems,
      },
    },
    schema: {
      querystring: z.strictObject({ key: dhtKeySchema.optional().describe('Of a raw body.'), ...timeout }),
      body: z.strictObject({ key: dhtKeySchema.optional(), ...payload }).meta({ example: { data: 'test' } }),
      response: putAnswer,
    },
    handler: ({ query: { key, ...query }, body }, reply) => {
      if (key !== undefined && !Buffer.isBuffer(body)) throw keyInQuery()
      return dht.put(Buffer.isBuffer(body) ? key : body.key, dataOf(body), { ...query, signal: clientSignal(reply) })
    },
  })

  app.route({
    method: 'GET',
    url: '/v1/dht/providers/:cid',
    config: {
      operation: {
        ...operation,
        operationId: 'findDhtProviders',
        summary: 'Peers that have some content',
        description: 'As `application/x-ndjson` a line for each, as it is found.',
        problems: ['invalid_cid', ...network],
      },
    },
    schema: { params: cidParams, querystring: z.strictObject({ limit: limitQuery, ...timeout }), response: foundPeers },
    handler: ({ params, query, headers }, reply) =>
      answerFound(headers, reply, dht.findProviders(params.cid, { ...query, signal: clientSignal(reply) })),
  })

  app.route({
    method: 'POST',
    url: '/v1/dht/providers/:cid',
    config: {
      operation: {
        ...operation,
        operationId: 'provideInDht',
        summary: 'Say that this gateway has some content',
        description: 'It is said again before others forget it, also after a restart, until it is taken back.',
        problems: ['invalid_cid', 'dht_quota_reached', 'dht_refused', ...network],
      },
    },
    schema: {
      params: cidParams,
      querystring: z.strictObject(timeout),
      body: z.strictObject({}).optional().meta({ example: {} }),
      response: { 204: empty('The closest peers have been told.') },
    },
    handler: async ({ params, query }, reply) => {
      await dht.provide(params.cid, { ...query, signal: clientSignal(reply) })
      return reply.code(204).send()
    },
  })

  app.route({
    method: 'DELETE',
    url: '/v1/dht/providers/:cid',
    config: {
      operation: {
        ...operation,
        operationId: 'stopProvidingInDht',
        summary: 'Say no more that this gateway has some content',
        description: 'What others keep of it runs out in a day or two.',
        problems: ['invalid_cid', 'dht_disabled', 'dht_unavailable', 'store_unavailable'],
      },
    },
    schema: { params: cidParams, querystring: noQuery, response: { 204: empty('It is said no more.') } },
    handler: async ({ params }, reply) => {
      await dht.stopProviding(params.cid)
      return reply.code(204).send()
    },
  })

  app.route({
    method: 'GET',
    url: '/v1/dht/peers/:peerId',
    config: {
      operation: {
        ...operation,
        operationId: 'findDhtPeer',
        summary: 'Where a peer is',
        problems: ['invalid_peer_id', 'peer_not_found', ...network],
      },
    },
    schema: {
      params: peerIdParams,
      querystring: z.strictObject(timeout),
      response: { 200: json('The peer.', foundPeerSchema, foundPeerExample) },
    },
    handler: ({ params, query }, reply) => dht.findPeer(params.peerId, { ...query, signal: clientSignal(reply) }),
  })

  app.route({
    method: 'GET',
    url: '/v1/dht/closest',
    config: {
      operation: {
        ...operation,
        operationId: 'findClosestDhtPeers',
        summary: 'The peers closest to a key',
        description:
          'The closest first, at most 20: where a value under this key would be kept. As `application/x-ndjson` a line for each.',
        problems: network,
      },
    },
    schema: {
      querystring: z.strictObject({ key: dhtKeySchema, limit: limitQuery, ...timeout }),
      response: foundPeers,
    },
    handler: ({ query: { key, ...query }, headers }, reply) =>
      answerFound(headers, reply, dht.closestPeers(key, { ...query, signal: clientSignal(reply) })),
  })
}

function dataOf(body: { data: string; encoding?: Encoding | undefined } | Buffer): Uint8Array {
  return Buffer.isBuffer(body) ? body : decodePayload(body.data, body.encoding)
}

function keyInQuery(): InvalidRequest {
  const message = 'stands in the body when that is JSON'
  return new InvalidRequest(`The query is not valid: key ${message}.`, { errors: [{ path: 'key', message }] })
}

/** All of them, or a line for each as it comes. What fails before the first is found is answered as an error. */
async function answerFound(headers: FastifyRequest['headers'], reply: FastifyReply, found: AsyncIterable<FoundPeerView>) {
  const iterator = found[Symbol.asyncIterator]()
  let next = await iterator.next()
  async function* peers() {
    for (; next.done !== true; next = await iterator.next()) yield next.value
  }
  if (!(headers.accept ?? '').includes('application/x-ndjson')) return { items: await Array.fromAsync(peers()) }
  return reply.type('application/x-ndjson').send(Readable.from(lines(peers())))
}

async function* lines(peers: AsyncIterable<FoundPeerView>): AsyncGenerator<string> {
  for await (const peer of peers) yield `${JSON.stringify(peer)}\n`
}

import { createHash } from 'node:crypto'
import type { FastifyReply, FastifyRequest } from 'fastify'
import { z } from 'zod'
import { createRecordFilter, routingCid, routingKey, routingPeerId } from '../../dht/delegated-routing.ts'
import type { Dht } from '../../dht/dht.ts'
import {
  DhtNamespaceUnsupported,
  InvalidIpnsRecord,
  InvalidRecord,
  IpnsTypeRequired,
  PeerNotFound,
  RecordNotFound,
  RoutingNotImplemented,
} from '../../errors.ts'
import type { FoundPeerView } from '../../model/dht-value.ts'
import { decodePayload } from '../../model/payload.ts'
import { acceptsLines, sendLines, withFirst } from '../answer-lines.ts'
import { clientSignal } from '../client-signal.ts'
import { matchesTag } from '../entity-tag.ts'
import { type App, bytesSchema, declareRoute, empty, ipnsType, json, orLines } from '../operation.ts'

export interface DelegatedRoutingInit {
  /** Whether the reading operations need no token, and serve pages of every origin. */
  openRouting?: boolean | undefined
}

/** Records of an answer, as the specification limits them: of a DHT's closest peers there are at most 20 anyway. */
const maxRecords = 100
/** Seconds for which an answer without and with records is fresh. */
const freshSeconds = { empty: 15, found: 300 } as const
/** Seconds for which DHTs keep provider records, on both engines. */
const recordSeconds = 48 * 3_600
/** Seconds for which an IPNS record without a TTL is fresh. */
const defaultTtlSeconds = 60

const peerRecordSchema = z.object({ Schema: z.literal('peer'), ID: z.string(), Addrs: z.array(z.string()), Protocols: z.array(z.string()) })
const peersSchema = z.object({ Peers: z.array(peerRecordSchema) })
const providersSchema = z.object({ Providers: z.array(peerRecordSchema) })
/** As long as a request line can be: the handler's refusals have the statuses of the specification. */
const text = z.string().max(16 * 1_024)
/** Unknown parameters are ignored: they may be of a later version of the specification. */
const filterQuery = z.object({ 'filter-addrs': text.optional(), 'filter-protocols': text.optional() })

const shared = {
  tag: 'DHT',
  cost: 100,
  work: 'lookup',
  specifiedBy: 'https://specs.ipfs.tech/routing/http-routing-v1/',
} as const
const problems = ['invalid_routing_key', 'routing_not_implemented', 'dht_disabled', 'dht_unavailable', 'dht_timeout', 'store_unavailable']

/** The Delegated Routing V1 HTTP API: content, peers and names of the DHT for programs that know IPFS. */
export function delegatedRoutingContract({ openRouting = false }: DelegatedRoutingInit) {
  const reading = { ...shared, action: openRouting ? 'none' : 'dht', anyOrigin: openRouting, problems } as const
  return {
    routeProviders: declareRoute({
      method: 'GET',
      url: '/routing/v1/providers/:cid',
      config: { operation: { ...reading, operationId: 'routeProviders', summary: 'Find providers of content' } },
      schema: {
        params: z.strictObject({ cid: text }),
        querystring: filterQuery,
        response: { 200: orLines(json('The providers found.', providersSchema, { Providers: [] }), peerRecordSchema) },
      },
    }),
    routePeer: declareRoute({
      method: 'GET',
      url: '/routing/v1/peers/:peerId',
      config: { operation: { ...reading, operationId: 'routePeer', summary: 'Find the addresses of a peer' } },
      schema: {
        params: z.strictObject({ peerId: text }),
        querystring: filterQuery,
        response: { 200: orLines(json('The peer, if it is found.', peersSchema, { Peers: [] }), peerRecordSchema) },
      },
    }),
    routeClosestPeers: declareRoute({
      method: 'GET',
      url: '/routing/v1/dht/closest/peers/:key',
      config: { operation: { ...reading, operationId: 'routeClosestPeers', summary: 'Find the peers closest to a key' } },
      schema: {
        params: z.strictObject({ key: text }),
        querystring: filterQuery,
        response: { 200: orLines(json('At most 20 peers, the closest first.', peersSchema, { Peers: [] }), peerRecordSchema) },
      },
    }),
    routeName: declareRoute({
      method: 'GET',
      url: '/routing/v1/ipns/:name',
      config: {
        operation: { ...reading, operationId: 'routeName', summary: 'Get an IPNS record', problems: [...problems, 'ipns_type_required'] },
      },
      schema: {
        params: z.strictObject({ name: text }),
        querystring: z.object({}),
        response: {
          200: { description: 'The record.', headers: {}, content: { [ipnsType]: { schema: bytesSchema } } },
          304: empty('The record is the one that If-None-Match names.'),
        },
      },
    }),
    routeOwnName: declareRoute({
      method: 'PUT',
      url: '/routing/v1/ipns/:name',
      config: {
        operation: {
          ...shared,
          action: 'dht',
          operationId: 'routeOwnName',
          summary: 'Publish an IPNS record',
          bodyType: ipnsType,
          problems: [...problems, 'ipns_type_required', 'invalid_ipns_record', 'record_outdated', 'dht_refused', 'dht_quota_reached'],
        },
      },
      schema: {
        params: z.strictObject({ name: text }),
        querystring: z.object({}),
        body: z.instanceof(Buffer).optional(),
        response: { 200: empty('The record is published.') },
      },
    }),
  }
}

export function delegatedRoutingRoutes(
  app: App,
  contract: ReturnType<typeof delegatedRoutingContract>,
  init: DelegatedRoutingInit,
  components: { dht: Dht },
): void {
  const { dht } = components
  // A shared cache must not give to all what only a token can read.
  const audience = init.openRouting === true ? 'public' : 'private'

  app.route({
    ...contract.routeProviders,
    handler: ({ params, query, headers }, reply) =>
      answer('Providers', { query, headers }, reply, () =>
        dht.findProviders(routingCid(params.cid).toString(), { limit: maxRecords, signal: clientSignal(reply) }),
      ),
  })

  app.route({
    ...contract.routePeer,
    handler: ({ params, query, headers }, reply) => {
      const peerId = routingPeerId(params.peerId)
      return answer('Peers', { query, headers }, reply, () => onlyPeer(peerId, clientSignal(reply)))
    },
  })

  app.route({
    ...contract.routeClosestPeers,
    handler: ({ params, query, headers }, reply) =>
      answer('Peers', { query, headers }, reply, () =>
        dht.closestPeers(routingKey(params.key), { limit: maxRecords, signal: clientSignal(reply) }),
      ),
  })

  app.route({
    ...contract.routeName,
    handler: async ({ params, headers }, reply) => {
      if (!/application\/vnd\.ipfs\.ipns-record|\*\/\*/.test(headers.accept ?? ''))
        throw new IpnsTypeRequired(`Retry with "Accept: ${ipnsType}".`)
      const key = ipnsKey(params.name)
      const found = await supported(() => dht.get(key, { encoding: 'base64', signal: clientSignal(reply) })).catch((error: unknown) => {
        if (error instanceof RecordNotFound) return undefined
        throw error
      })
      // Any other content type than that of a record means "no record found".
      if (found === undefined)
        return setCaching(reply, defaultTtlSeconds, 0).type('text/plain; charset=utf-8').send('No record was found.\n')
      const record = Buffer.from(decodePayload(found.data, found.encoding))
      const etag = `"${createHash('sha256').update(record).digest('base64url')}"`
      await describe(record, reply)
      reply.header('etag', etag)
      return matchesTag(headers['if-none-match'], etag) ? reply.code(304).send() : reply.type(ipnsType).send(record)
    },
  })

  app.route({
    ...contract.routeOwnName,
    handler: async ({ params, body }, reply) => {
      if (body === undefined) throw new IpnsTypeRequired(`Retry with a body of "Content-Type: ${ipnsType}".`)
      try {
        await supported(() => dht.put(ipnsKey(params.name), body, { signal: clientSignal(reply) }))
      } catch (error) {
        if (!(error instanceof InvalidRecord)) throw error
        throw new InvalidIpnsRecord(error.message, { cause: error })
      }
      return reply.code(200).send()
    },
  })

  async function* onlyPeer(peerId: string, signal: AbortSignal): AsyncGenerator<FoundPeerView> {
    try {
      yield await dht.findPeer(peerId, { signal })
    } catch (error) {
      if (!(error instanceof PeerNotFound)) throw error
    }
  }

  async function answer(
    field: 'Peers' | 'Providers',
    { query, headers }: { query: z.infer<typeof filterQuery>; headers: FastifyRequest['headers'] },
    reply: FastifyReply,
    find: () => AsyncIterable<FoundPeerView>,
  ) {
    const record = createRecordFilter({ addrs: query['filter-addrs'], protocols: query['filter-protocols'] })
    async function* records() {
      for await (const peer of find()) {
        const left = record(peer)
        if (left !== undefined) yield left
      }
    }
    const { isEmpty, items } = await withFirst(records())
    setCaching(reply, freshSeconds[isEmpty ? 'empty' : 'found'], recordSeconds)
    return acceptsLines(headers) ? sendLines(reply, items) : { [field]: await Array.fromAsync(items) }
  }

  /** @param staleSeconds seconds for which a cache may serve the answer when it cannot ask again */
  function setCaching(reply: FastifyReply, maxAge: number, staleSeconds: number): FastifyReply {
    const stale = staleSeconds > 0 ? `, stale-while-revalidate=${staleSeconds}, stale-if-error=${staleSeconds}` : ''
    return reply.headers({
      'cache-control': `${audience}, max-age=${maxAge}${stale}`,
      'last-modified': new Date().toUTCString(),
      vary: 'Origin, Accept',
    })
  }

  /** Sets how long a record is fresh (its TTL) and valid (its end of life). */
  async function describe(record: Buffer, reply: FastifyReply): Promise<void> {
    // Loaded for the first record: a start does without it.
    const { unmarshalIPNSRecord } = await import('ipns')
    const { ttl, validity } = unmarshalIPNSRecord(record)
    const until = new Date(validity)
    const ttlSeconds = ttl === undefined ? 0 : Number(ttl / 1_000_000_000n)
    setCaching(reply, ttlSeconds > 0 ? ttlSeconds : defaultTtlSeconds, Math.max(0, Math.floor((until.getTime() - Date.now()) / 1_000)))
    reply.header('expires', until.toUTCString())
  }
}

function ipnsKey(name: string): string {
  return `/ipns/${routingPeerId(name)}`
}

/** @throws RoutingNotImplemented on the custom engine, whose DHT has no IPNS */
async function supported<Result>(work: () => Promise<Result>): Promise<Result> {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof DhtNamespaceUnsupported)) throw error
    throw new RoutingNotImplemented('The DHT of this gateway has no IPNS.', { cause: error })
  }
}

import { randomInt } from 'node:crypto'
import type { Connection, Stream } from '@libp2p/interface'
import { type LengthPrefixedStream, lpStream } from '@libp2p/utils'
import { type Multiaddr, multiaddr } from '@multiformats/multiaddr'
import type { Logger } from 'pino'
import { createDeadline } from '../../../lib/deadline.ts'
import { createLru } from '../../../lib/lru.ts'
import { createShares } from '../../../lib/shares.ts'
import { createTokenBucket } from '../../../lib/token-bucket.ts'
import { peerIdOf } from '../../../model/peer.ts'
import { isCircuitAddress } from '../../dial/circuit-address.ts'
import { endpointOf, withoutPeerId } from '../../dial/endpoint.ts'
import { AddressNotReached } from '../../dial/gate.ts'
import { type DialPolicy, hostOf, isPublicAddress } from '../../dial/policy.ts'
import { addressProblem } from '../addresses.ts'
import { withStream } from '../stream-io.ts'
import { tellerOf } from '../teller-of.ts'
import {
  decodeMessage,
  dialBackProtocol,
  dialStatus,
  encodeDialBack,
  encodeMessage,
  type Message,
  maxMessageBytes,
  responseStatus,
} from './autonat-messages.ts'

/**
 * The server of AutoNAT v2: tells a peer whether it can be dialled at an address, by dialling it there. One address of a
 * request is dialled, the first that this node may dial. A public address other than that at which the peer is seen is
 * dialled only after the peer has sent much more than a dial costs; a private one is not, so that no peer has this node
 * send to hosts of its network.
 *
 * `@libp2p/autonat-v2` is not used: it dials each address of a request, without a limit on requests, and refuses private
 * networks.
 */
export type AutonatServer = (stream: Stream, connection: Connection) => Promise<void>

export interface AutonatServerInit {
  /** Milliseconds for a whole request. */
  timeoutMs: number
}

export interface AutonatServerComponents {
  policy: Pick<DialPolicy, 'told' | 'tellersOf' | 'refusal'>
  /**
   * Opens a new connection to the peer of the address.
   * @throws AddressNotReached when the gate of dials did not allow it
   */
  dial(address: Multiaddr, signal: AbortSignal): Promise<Connection>
  /** Whether there is room for one more connection. */
  hasRoom(): boolean
  /** Bytes that a peer has to send for a dial elsewhere. */
  dialDataBytes?: () => number
  now?: () => number
  logger: Logger
}

/** Rates of requests: of one peer, of the host that is dialled, and of all. The most recently used are counted. */
const ofPeer = { perSecond: 1 / 10, burst: 12 }
const ofHost = { perSecond: 1 / 5, burst: 24 }
const ofAll = { perSecond: 4, burst: 48 }
const maxCounted = 1_000
/** Concurrent requests, shared by the hosts that ask. */
const maxRequests = 16
/** Addresses of a request that are considered. */
const maxAddresses = 16
/** Dial data, in bytes: the range of the specification, and the least of a message that is not the last. */
const dialData = { from: 30_000, to: 100_000, leastOfMessage: 100 }

type Messages = LengthPrefixedStream<Stream>

export function createAutonatServer(init: AutonatServerInit, components: AutonatServerComponents): AutonatServer {
  const { policy, dial, hasRoom, logger } = components
  const { now = () => performance.now(), dialDataBytes = () => randomInt(dialData.from, dialData.to) } = components
  const all = createTokenBucket(ofAll)
  const peers = createLru({ max: maxCounted }, () => createTokenBucket(ofPeer))
  const hosts = createLru({ max: maxCounted }, () => createTokenBucket(ofHost))
  const places = createShares({ max: maxRequests })

  /** The first address that may be dialled for the peer of the connection. */
  function chosen(addresses: Uint8Array[], connection: Connection): { address: Multiaddr; index: number; ip: string } | undefined {
    for (const [index, bytes] of addresses.slice(0, maxAddresses).entries()) {
      const address = parsed(bytes)
      const ip = address === undefined ? undefined : ipOf(address)
      if (address === undefined || ip === undefined || !isOfPeer(address, connection)) continue
      const teller = tellerOf(connection)
      if (hostOf(ip) !== hostOf(teller.ip) && !isPublicAddress(ip)) continue
      const where = withoutPeerId(address)
      policy.told([where], teller)
      if (policy.refusal(ip, 'learnt', policy.tellersOf(where)) !== undefined) continue
      return { address: multiaddr(where), index, ip }
    }
    return undefined
  }

  function mayAsk(connection: Connection): boolean {
    return peers(connection.remotePeer.toString()).take(now()) && all.take(now())
  }

  /** Has the peer send more than a dial costs. @throws Error when it sends less */
  async function takeData(messages: Messages, index: number, signal: AbortSignal): Promise<void> {
    let missing = dialDataBytes()
    await messages.write(encodeMessage({ type: 'dialDataRequest', index, bytes: missing }), { signal })
    while (missing > 0) {
      const message = decodeMessage((await messages.read({ signal })).subarray())
      const length = message.type === 'dialData' ? message.data.length : 0
      if (length < Math.min(missing, dialData.leastOfMessage)) throw new Error('the peer does not send the data')
      missing -= length
    }
  }

  async function dialBack(address: Multiaddr, { remotePeer }: Connection, nonce: bigint, signal: AbortSignal): Promise<Outcome> {
    let opened: Connection
    try {
      opened = await dial(address.encapsulate(`/p2p/${remotePeer}`), signal)
    } catch (error) {
      if (error instanceof AddressNotReached && !error.wasTried) return { status: responseStatus.dialRefused }
      return { status: responseStatus.ok, dialStatus: dialStatus.dialError }
    }
    try {
      const stream = await opened.newStream(dialBackProtocol, { signal })
      const messages = lpStream(stream, { maxDataLength: maxMessageBytes })
      await messages.write(encodeDialBack(nonce), { signal })
      await messages.read({ signal })
      await opened.close({ signal })
      return { status: responseStatus.ok, dialStatus: dialStatus.ok }
    } catch {
      opened.abort(new Error('the dial-back has failed'))
      return { status: responseStatus.ok, dialStatus: dialStatus.dialBackError }
    }
  }

  async function answer(messages: Messages, connection: Connection, signal: AbortSignal): Promise<Message> {
    const request = decodeMessage((await messages.read({ signal })).subarray())
    if (request.type !== 'dialRequest') throw new Error('not a request')
    const { ip: seenAt, isRelayed } = tellerOf(connection)
    if (isRelayed || !mayAsk(connection)) return response({ status: responseStatus.rejected })
    const target = chosen(request.addresses, connection)
    if (target === undefined || !hasRoom() || !hosts(hostOf(target.ip)).take(now())) return response({ status: responseStatus.dialRefused })
    if (hostOf(target.ip) !== hostOf(seenAt)) await takeData(messages, target.index, signal)
    return response({ ...(await dialBack(target.address, connection, request.nonce, signal)), index: target.index })
  }

  return async (stream, connection) => {
    using place = places.take(hostOf(tellerOf(connection).ip))
    if (place === undefined) {
      stream.abort(new Error('too many dial-backs are in progress'))
      return
    }
    using deadline = createDeadline(init.timeoutMs, [])
    const { signal } = deadline
    try {
      await withStream(stream, signal, async () => {
        const messages = lpStream(stream, { maxDataLength: maxMessageBytes })
        await messages.write(encodeMessage(await answer(messages, connection, signal)), { signal })
      })
    } catch (err) {
      logger.debug({ err }, 'a dial-back was not answered')
    }
  }
}

interface Outcome {
  status: number
  index?: number
  dialStatus?: number
}

function response({ status, index = 0, dialStatus: result = dialStatus.unused }: Outcome): Message {
  return { type: 'dialResponse', status, index, dialStatus: result }
}

function parsed(bytes: Uint8Array): Multiaddr | undefined {
  try {
    return multiaddr(bytes)
  } catch {
    return undefined
  }
}

/** The IP address of an address that the transports dial; undefined for names, which may lead anywhere. */
function ipOf(address: Multiaddr): string | undefined {
  if (isCircuitAddress(address) || endpointOf(address) === undefined || addressProblem(address) !== undefined) return undefined
  const [host] = address.getComponents()
  return host?.name === 'ip4' || host?.name === 'ip6' ? host.value : undefined
}

function isOfPeer(address: Multiaddr, { remotePeer }: Connection): boolean {
  return [undefined, remotePeer.toString()].includes(peerIdOf(address))
}

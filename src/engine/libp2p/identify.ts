import {
  type Identify,
  type IdentifyComponents,
  type IdentifyPush,
  type IdentifyPushComponents,
  identify,
  identifyPush,
} from '@libp2p/identify'
import type { Connection, PeerData, PeerStore, Stream } from '@libp2p/interface'
import { overriding } from '../../lib/overriding.ts'
import { createTokenBucket } from '../../lib/token-bucket.ts'
import type { LimitsReached } from '../limits-reached.ts'

/** Bytes of what a peer says of itself: two messages of the largest size of identify. */
const maxBytes = 16_384
/** Protocols of a peer that are stored: the first ones. */
const maxProtocols = 200
/** Pushes on one connection. An honest peer pushes when its addresses or protocols have changed. */
const pushes = { perSecond: 1, burst: 20 }

type Registrar = IdentifyComponents['registrar']

const identifyProtocol = '/ipfs/id/1.0.0'

/**
 * identify and its push (https://github.com/libp2p/specs/tree/master/identify) with the bounds that they lack: on what
 * a peer says of itself, 80 KB by default, and on how often it says so.
 */
export function identifyServices({ reached }: { reached: Pick<LimitsReached, 'note'> }) {
  return {
    identify(libp2p: IdentifyComponents): Identify {
      // Before identify's own listener, which opens the stream.
      libp2p.events.addEventListener('connection:open', ({ detail }) => boundAnswers(detail))
      return identify()(overriding(libp2p, { peerStore: storingLess(libp2p.peerStore) }))
    },
    identifyPush(libp2p: IdentifyPushComponents): IdentifyPush {
      const registrar = boundingPushes(libp2p.registrar, () => reached.note('frame_flood'))
      return identifyPush()(overriding(libp2p, { peerStore: storingLess(libp2p.peerStore), registrar }))
    },
  }
}

function storingLess(peerStore: PeerStore): PeerStore {
  const first = ({ protocols, ...rest }: PeerData): PeerData => ({
    ...rest,
    ...(protocols === undefined ? {} : { protocols: [...protocols].slice(0, maxProtocols) }),
  })
  return overriding(peerStore, { patch: (id, data, options) => peerStore.patch(id, first(data), options) })
}

function boundAnswers(connection: Connection): void {
  const { newStream } = connection
  connection.newStream = async (protocols, options) => {
    const stream = await newStream.call(connection, protocols, options)
    if (stream.protocol === identifyProtocol) boundBytes(stream)
    return stream
  }
}

/** Counts what comes below the stream's buffer: a listener of its own would have it emptied before the reader is there. */
function boundBytes(stream: Stream & { onData?: (data: { byteLength: number }) => void }): void {
  const { onData } = stream
  if (onData === undefined) throw new Error('a stream of libp2p takes data in an unknown way')
  let bytes = 0
  const isTooMuch = (more: number) => {
    bytes += more
    return bytes > maxBytes
  }
  const cut = () => stream.abort(new Error(`a peer says more than ${maxBytes} bytes of itself`))
  stream.onData = (data) => (isTooMuch(data.byteLength) ? cut() : onData.call(stream, data))
  if (isTooMuch(stream.readBufferLength)) cut()
}

/** Cuts connections with too many pushes. */
function boundingPushes(registrar: Registrar, onFlood: () => void): Registrar {
  const budgets = new WeakMap<Connection, ReturnType<typeof createTokenBucket>>()

  function isFlood(connection: Connection): boolean {
    const budget = budgets.get(connection) ?? createTokenBucket(pushes)
    budgets.set(connection, budget)
    return !budget.take(performance.now())
  }

  return overriding(registrar, {
    handle: (protocol, handler, options) =>
      registrar.handle(
        protocol,
        (stream, connection) => {
          if (isFlood(connection)) {
            onFlood()
            return connection.abort(new Error('a peer pushes what it says of itself too often'))
          }
          boundBytes(stream)
          return handler(stream, connection)
        },
        options,
      ),
  })
}

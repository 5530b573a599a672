import { randomBytes } from 'node:crypto'
import type { Connection, Stream } from '@libp2p/interface'
import { lpStream } from '@libp2p/utils'
import { multiaddr } from '@multiformats/multiaddr'
import type { Logger } from 'pino'
import { createDeadline } from '../../../lib/deadline.ts'
import { withStream } from '../stream-io.ts'
import {
  decodeDialBack,
  decodeMessage,
  dialBackResponse,
  dialRequestProtocol,
  dialStatus,
  encodeMessage,
  maxMessageBytes,
  responseStatus,
} from './autonat-messages.ts'

/** The client of AutoNAT v2: asks peers to dial this node. */
export interface AutonatClient {
  /**
   * Whether the peer reached this node at the address; undefined when it did not try.
   * @throws Error when it does not answer
   */
  ask(connection: Connection, address: string, signal: AbortSignal): Promise<boolean | undefined>
  /** The handler of the connection that the peer opens. */
  readonly onDialBack: (stream: Stream, connection: Connection) => Promise<void>
}

/** Bytes that this node sends for a dial, and of one message: the range of the specification. */
const maxDialDataBytes = 100_000
const dialDataMessageBytes = 4_096
/** Bytes of the message of a dial-back: a number and its tag. */
const maxDialBackBytes = 64

export function createAutonatClient(init: { timeoutMs: number }, { logger }: { logger: Logger }): AutonatClient {
  const { timeoutMs } = init
  /** What is asked, by nonce: the connection that it was asked on, and whether another brought the nonce. */
  const asked = new Map<bigint, { connection: Connection; isBack: boolean }>()

  return {
    async ask(connection, address, given) {
      const nonce = randomBytes(8).readBigUInt64LE()
      const question = { connection, isBack: false }
      asked.set(nonce, question)
      using deadline = createDeadline(timeoutMs, [given])
      const { signal } = deadline
      try {
        const stream = await connection.newStream(dialRequestProtocol, { signal })
        return await withStream(stream, signal, async () => {
          const messages = lpStream(stream, { maxDataLength: maxMessageBytes })
          const read = async () => decodeMessage((await messages.read({ signal })).subarray())
          await messages.write(encodeMessage({ type: 'dialRequest', addresses: [multiaddr(address).bytes], nonce }), { signal })
          let message = await read()
          if (message.type === 'dialDataRequest') {
            if (message.bytes > maxDialDataBytes) throw new Error('the peer asks for too much data')
            for (let missing = message.bytes; missing > 0; missing -= dialDataMessageBytes) {
              const data = new Uint8Array(Math.min(missing, dialDataMessageBytes))
              await messages.write(encodeMessage({ type: 'dialData', data }), { signal })
            }
            message = await read()
          }
          if (message.type !== 'dialResponse') throw new Error('the peer answers something else')
          if (message.status !== responseStatus.ok) return undefined
          if (message.dialStatus === dialStatus.dialError) return false
          // A peer that only says so has not reached this node.
          return message.dialStatus === dialStatus.ok && question.isBack ? true : undefined
        })
      } finally {
        asked.delete(nonce)
      }
    },
    async onDialBack(stream, connection) {
      using deadline = createDeadline(timeoutMs, [])
      const { signal } = deadline
      try {
        await withStream(stream, signal, async () => {
          const messages = lpStream(stream, { maxDataLength: maxDialBackBytes })
          const question = asked.get(decodeDialBack((await messages.read({ signal })).subarray()))
          if (question === undefined) throw new Error('nobody was asked for this dial-back')
          if (connection.direction !== 'inbound' || !connection.direct || connection === question.connection)
            throw new Error('the dial-back did not come on a connection of its own')
          question.isBack = true
          await messages.write(dialBackResponse, { signal })
        })
      } catch (err) {
        logger.debug({ err }, 'a dial-back was refused')
      }
    },
  }
}

import type { ConnectionEncrypter, MessageStream } from '@libp2p/interface'

interface EncrypterComponents {
  peerId: { toString(): string }
}

/**
 * Wraps an encrypter to report an inbound connection whose peer proves this node's own key: another node has the key.
 * libp2p treats such a connection as a dial of this node to itself. The two cannot be distinguished while this node is
 * dialling.
 */
export function watchingForOwnKey<Components extends EncrypterComponents>(
  encrypter: (components: Components) => ConnectionEncrypter,
  onOwnKey: (remote: string | undefined) => void,
): (components: Components) => ConnectionEncrypter {
  return (components) => {
    const inner = encrypter(components)
    const own = components.peerId.toString()
    const { secureInbound, secureOutbound } = inner
    let outbound = 0
    inner.secureOutbound = async (connection, options) => {
      outbound++
      try {
        return await secureOutbound.call(inner, connection, options)
      } finally {
        outbound--
      }
    }
    inner.secureInbound = async (connection, options) => {
      const isAlone = outbound === 0
      const secured = await secureInbound.call(inner, connection, options)
      if (isAlone && outbound === 0 && secured.remotePeer?.toString() === own) onOwnKey(remoteOf(connection))
      return secured
    }
    return inner
  }
}

function remoteOf(connection: MessageStream): string | undefined {
  return 'remoteAddr' in connection ? String(connection.remoteAddr) : undefined
}

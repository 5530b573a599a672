import { type KeyObject, verify } from 'node:crypto'
import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { ed25519PublicKey } from '../../../model/signed-message.ts'
import type { WireMessage } from './pubsub-message.ts'

/** Who wrote a message, and whether they did. What it takes to know an author is kept for the next message. */
export interface Authors {
  peerId(message: WireMessage): string
  /** Whether the author signed exactly this; worked out beside the event loop. */
  verify(message: WireMessage): Promise<boolean>
}

/** Authors that are remembered, the oldest forgotten first; about 1 KiB each. */
const maxAuthors = 1_000

const signaturePrefix = Buffer.from('libp2p-pubsub:')

interface Author {
  peerId: string
  key: KeyObject
}

export function createAuthors(): Authors {
  const known = new Map<string, Author>()

  function authorOf(raw: Buffer): Author {
    const name = raw.toString('latin1')
    const remembered = known.get(name)
    if (remembered !== undefined) return remembered
    const author = { peerId: peerIdFromPublicKey(publicKeyFromRaw(raw)).toString(), key: ed25519PublicKey(raw) }
    const oldest = known.keys().next().value
    if (known.size >= maxAuthors && oldest !== undefined) known.delete(oldest)
    known.set(name, author)
    return author
  }

  return {
    peerId: ({ author }) => authorOf(author).peerId,
    verify({ author, signed, signature }) {
      const { promise, resolve } = Promise.withResolvers<boolean>()
      const bytes = Buffer.concat([signaturePrefix, signed])
      verify(null, bytes, authorOf(author).key, signature, (error, intact) => resolve(error === null && intact))
      return promise
    },
  }
}

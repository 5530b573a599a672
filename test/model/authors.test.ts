import { publicKeyFromRaw } from '@libp2p/crypto/keys'
import { peerIdFromPublicKey } from '@libp2p/peer-id'
import { expect, test } from 'vitest'
import { createAuthors } from '../../src/model/authors.ts'
import edges from '../vectors/ed25519.json' with { type: 'json' }

const hex = (text: string) => Buffer.from(text, 'hex')

test('gives the same verdict of a signature however many are verified in a turn of the event loop', async () => {
  const authors = createAuthors()
  const verdicts = await Promise.all(
    edges.map(({ key, message, signature }) => {
      const author = authors.find(peerIdFromPublicKey(publicKeyFromRaw(hex(key))).toMultihash().bytes)
      if (author === undefined) throw new Error('no author')
      return author.verify(hex(message), hex(signature))
    }),
  )
  expect(verdicts).toEqual(edges.map(({ valid }) => valid))
})

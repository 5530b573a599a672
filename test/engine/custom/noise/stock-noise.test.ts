import { noise } from '@chainsafe/libp2p-noise'
import { yamux } from '@chainsafe/libp2p-yamux'
import { generateKeyPair, generateKeyPairFromSeed } from '@libp2p/crypto/keys'
import type { ConnectionEncrypter } from '@libp2p/interface'
import { peerIdFromString } from '@libp2p/peer-id'
import { lpStream, multiaddrConnectionPair } from '@libp2p/utils'
import { createLibp2p } from 'libp2p'
import { expect, onTestFinished, test } from 'vitest'
import { createHandshake, type Handshake, HandshakeFailed, type Session } from '../../../../src/engine/custom/noise/handshake.ts'
import { createMemoryIdentity } from '../../../fixtures/memory-identity.ts'

const [ours, theirs] = await Promise.all([1, 2].map((byte) => createMemoryIdentity(new Uint8Array(32).fill(byte))))
if (ours === undefined || theirs === undefined) throw new Error('no identities')
const prologue = Buffer.alloc(0)

/** libp2p's own Noise, as a node has it that was never started. */
async function stockNoise(type: 'Ed25519' | 'secp256k1' = 'Ed25519'): Promise<ConnectionEncrypter> {
  let encrypter: ConnectionEncrypter | undefined
  const node = await createLibp2p({
    start: false,
    privateKey: type === 'Ed25519' ? await generateKeyPairFromSeed(type, theirs?.seed ?? new Uint8Array(32)) : await generateKeyPair(type),
    // It names them in its payload, as an extension.
    streamMuxers: [yamux()],
    connectionEncrypters: [
      (components) => {
        encrypter = noise()(components)
        return encrypter
      },
    ],
  })
  onTestFinished(async () => {
    await node.stop()
  })
  if (encrypter === undefined) throw new Error('the node made no encrypter')
  return encrypter
}

/** Two bytes of length, big endian, before each message: how libp2p puts Noise on a byte stream. */
const framing = {
  lengthEncoder: Object.assign((length: number) => Uint8Array.of(length >> 8, length & 0xff), { bytes: 2 }),
  lengthDecoder: Object.assign(
    (bytes: { subarray(start: number, end: number): Uint8Array }) => Buffer.from(bytes.subarray(0, 2)).readUInt16BE(),
    {
      bytes: 2,
    },
  ),
}

async function connect(role: 'initiator' | 'responder', encrypter: ConnectionEncrypter, handshake: Handshake) {
  const [outbound, inbound] = multiaddrConnectionPair()
  const [our, their] = role === 'initiator' ? [outbound, inbound] : [inbound, outbound]
  const stream = lpStream(our, framing)
  const signal = AbortSignal.timeout(20_000)
  const secured =
    role === 'initiator'
      ? encrypter.secureInbound(their, { signal })
      : encrypter.secureOutbound(their, { signal, remotePeer: peerIdFromString(ours?.peerId ?? '') })
  secured.catch(() => undefined)
  for (;;) {
    const message = handshake.write()
    if (message !== undefined) await stream.write(message, { signal })
    if (handshake.session !== undefined) break
    handshake.read((await stream.read({ signal })).subarray())
  }
  return { secured: await secured, session: handshake.session, stream, signal }
}

async function exchange({ secured, session, stream, signal }: Awaited<ReturnType<typeof connect>> & { session: Session }) {
  const heard = Promise.withResolvers<Buffer>()
  secured.connection.addEventListener('message', (event) => heard.resolve(Buffer.from(event.data.subarray())), { once: true })
  await stream.write(session.encrypt.encrypt(Buffer.from('from us')), { signal })
  secured.connection.send(Buffer.from('from them'))
  return [(await heard.promise).toString(), session.decrypt.decrypt((await stream.read({ signal })).subarray()).toString()]
}

test.each(['initiator', 'responder'] as const)("as %s it is understood by libp2p's own Noise, and understands it", async (role) => {
  const handshake = createHandshake({ role, prologue, seed: ours.seed, expectedPeerId: theirs.peerId })
  const link = await connect(role, await stockNoise(), handshake)
  expect([link.session.remotePeerId, link.secured.remotePeer.toString()]).toEqual([theirs.peerId, ours.peerId])
  expect(await exchange(link)).toEqual(['from us', 'from them'])
})

test('a libp2p node with a key of another kind is refused', async () => {
  const handshake = createHandshake({ role: 'initiator', prologue, seed: ours.seed })
  const refused = connect('initiator', await stockNoise('secp256k1'), handshake)
  await expect(refused).rejects.toThrow(HandshakeFailed)
  await expect(refused).rejects.toThrow(/no Ed25519 key/)
})

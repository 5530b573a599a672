import { expect, test } from 'vitest'
import { frameTypes } from '../../../src/engine/custom/link/frame-types.ts'
import { encodeHello } from '../../../src/engine/custom/link/hello.ts'
import { encodeIdentity } from '../../../src/engine/custom/noise/identity-payload.ts'
import { createXxHandshake, type Role } from '../../../src/engine/custom/noise/xx-handshake.ts'
import { frameHead } from '../../../src/engine/custom/wire/frame-stream.ts'
import { encodeControl, messageHead } from '../../../src/engine/custom/wire/overlay-frame.ts'
import { encodeMessage } from '../../../src/engine/custom/wire/pubsub-message.ts'
import { keyPairOf } from '../../../src/lib/x25519.ts'
import { createMessageSigner } from '../../../src/model/signed-message.ts'
import { createMemoryIdentity } from '../../fixtures/memory-identity.ts'

const hex = (bytes: Uint8Array) => Buffer.from(bytes).toString('hex')

/** Keys that are easily told apart: so many times the same byte. */
async function party(role: Role, byte: number) {
  const { peerId, seed } = await createMemoryIdentity(new Uint8Array(32).fill(byte))
  const keys = { staticKey: new Uint8Array(32).fill(byte + 1), ephemeralKey: new Uint8Array(32).fill(byte + 2) }
  const staticKey = keyPairOf(keys.staticKey)
  const noise = createXxHandshake({
    role,
    prologue: Buffer.from('peergate.p2p.v1'),
    staticKey,
    ephemeralKey: keyPairOf(keys.ephemeralKey),
  })
  const identity = encodeIdentity(seed, staticKey.publicKey)
  return { peerId, seed, noise, identity, keys: { ed25519: hex(seed), static: hex(keys.staticKey), ephemeral: hex(keys.ephemeralKey) } }
}

function frame(type: number, ...parts: Uint8Array[]): Buffer {
  const body = Buffer.concat([Buffer.of(type), ...parts])
  return Buffer.concat([frameHead(body.length), body])
}

/** What another implementation can check itself against (docs/custom-protocol.md). */
test('the bytes of a session are those of the vectors', async () => {
  const initiator = await party('initiator', 0x10)
  const responder = await party('responder', 0x20)
  const first = initiator.noise.writeMessage(new Uint8Array())
  responder.noise.readMessage(first)
  const second = responder.noise.writeMessage(responder.identity)
  initiator.noise.readMessage(second)
  const third = initiator.noise.writeMessage(initiator.identity)
  responder.noise.readMessage(third)

  const hello = {
    versions: [1],
    instance: 'vector',
    agent: 'peergate/vector',
    multiaddrs: [`/ip4/192.0.2.1/tcp/7071/ws/p2p/${initiator.peerId}`],
    protocols: [],
    observed: '192.0.2.2:7071',
  }
  const message = createMessageSigner(initiator.peerId, initiator.seed).sign(1_700_000_000_000_000_000n, 'orders', Buffer.from('hello'))
  const frames = {
    hello: frame(frameTypes.hello, encodeHello(hello)),
    subscriptions: frame(frameTypes.control, encodeControl({ type: 'subscriptions', add: ['orders'], remove: [] })),
    message: frame(frameTypes.message, messageHead({ hops: 0 }), encodeMessage(message)),
    ping: frame(frameTypes.ping, Buffer.from('0102030405060708', 'hex')),
  }
  const { initiator: cipher } = initiator.noise.split()
  const records = [Buffer.concat([frames.hello, frames.subscriptions]), frames.message].map((bytes) => hex(cipher.encrypt(bytes)))
  cipher.rekey()
  records.push(hex(cipher.encrypt(frames.ping)))

  const vectors = {
    prologue: hex(Buffer.from('peergate.p2p.v1')),
    initiator: { peerId: initiator.peerId, ...initiator.keys, payload: hex(initiator.identity) },
    responder: { peerId: responder.peerId, ...responder.keys, payload: hex(responder.identity) },
    handshake: [first, second, third].map(hex),
    handshakeHash: hex(initiator.noise.hash),
    hello,
    frames: Object.fromEntries(Object.entries(frames).map(([name, bytes]) => [name, hex(bytes)])),
    recordsOfTheInitiator: { helloAndSubscriptions: records[0], message: records[1], pingAfterRekeying: records[2] },
  }
  await expect(`${JSON.stringify(vectors, null, 2)}\n`).toMatchFileSnapshot('../../vectors/custom/session.json')
})

import { generateKeyPair } from '@libp2p/crypto/keys'
import type { Connection, StreamHandler } from '@libp2p/interface'
import { peerIdFromPrivateKey } from '@libp2p/peer-id'
import { lpStream, streamPair } from '@libp2p/utils'
import { expect, onTestFinished, test } from 'vitest'
import { createDialPolicy } from '../../../../src/engine/dial/policy.ts'
import type { ConnectedPeer } from '../../../../src/engine/engine.ts'
import type { Node } from '../../../../src/engine/libp2p/node.ts'
import {
  decodeMessage,
  dialBackProtocol,
  dialRequestProtocol,
  dialStatus,
  encodeDialBack,
  encodeMessage,
  responseStatus,
} from '../../../../src/engine/libp2p/reach/autonat-messages.ts'
import type { OwnAddresses } from '../../../../src/engine/libp2p/reach/own-addresses.ts'
import { createReach } from '../../../../src/engine/libp2p/reach/reach.ts'
import type { MappedPort } from '../../../../src/engine/port-mapping/port-mapper.ts'
import { silentLog } from '../../../fixtures/log.ts'

const listened = '/ip4/192.168.1.2/tcp/7071'
const forwarded = '/ip4/8.8.4.7/tcp/31000'
const mapped: MappedPort = { transport: 'tcp', ip: '192.168.1.2', port: 7_071, external: { ip: '8.8.4.7', port: 31_000 } }

/** A node behind a router, with one peer that dials back and finds what `reaches` says. */
async function behindRouter(reaches: () => boolean) {
  const peerId = peerIdFromPrivateKey(await generateKeyPair('Ed25519'))
  const handlers = new Map<string, StreamHandler>()
  const state = { mapped: [mapped], announced: [] as string[], asked: 0 }

  async function answer(stream: Awaited<ReturnType<typeof streamPair>>[0]): Promise<void> {
    const messages = lpStream(stream)
    const asked = decodeMessage((await messages.read()).subarray())
    if (asked.type !== 'dialRequest') throw new Error('the node asks for something else')
    state.asked++
    if (reaches()) {
      const [mine, theirs] = await streamPair()
      const back = { direction: 'inbound', direct: true } as Connection
      const done = handlers.get(dialBackProtocol)?.(theirs, back)
      await lpStream(mine).write(encodeDialBack(asked.nonce))
      await done
    }
    const found = reaches() ? dialStatus.ok : dialStatus.dialError
    await messages.write(encodeMessage({ type: 'dialResponse', status: responseStatus.ok, index: 0, dialStatus: found }))
  }

  const connection = {
    direct: true,
    status: 'open',
    remotePeer: peerId,
    async newStream() {
      const [mine, theirs] = await streamPair()
      // The node closes the stream when it stops.
      answer(theirs).catch(() => undefined)
      return mine
    },
  } as unknown as Connection
  const node = {
    getConnections: () => [connection],
    handle: async (protocol: string, handler: StreamHandler) => void handlers.set(protocol, handler),
  } as unknown as Node
  const peer = { peerId: peerId.toString(), path: { by: 'tcp' }, protocols: [dialRequestProtocol] } as unknown as ConnectedPeer
  const reach = createReach(
    { announce: [], limits: { dialTimeoutMs: 5_000, maxConnections: 10 } },
    {
      node: () => node,
      peers: () => [peer],
      addresses: {
        listened: () => [listened],
        announce(all) {
          state.announced = all.map(({ outside }) => outside)
        },
      } as OwnAddresses,
      policy: createDialPolicy({ dialPrivate: true }, { ownAddresses: () => [] }),
      mapped: () => state.mapped,
      relays: () => [],
      onState: () => undefined,
      logger: silentLog,
    },
  )
  await reach.register(node)
  reach.start()
  onTestFinished(() => reach.stop())
  return { reach, state }
}

test('a port that a router says it forwards is announced when a peer has dialled it back, and no longer than it is forwarded', async () => {
  const { reach, state } = await behindRouter(() => true)
  reach.remapped()
  expect(state.announced).toEqual([])
  await expect.poll(() => state.announced).toEqual([forwarded])
  expect(reach.view()).toMatchObject({ state: 'direct', confirmed: [{ multiaddr: forwarded, peers: 1 }] })
  state.mapped = []
  reach.remapped()
  expect(state.announced).toEqual([])
})

test('a port that a router says it forwards, and that no peer has reached, is not announced', async () => {
  const { reach, state } = await behindRouter(() => false)
  reach.remapped()
  await expect.poll(() => reach.view().state).toBe('hidden')
  expect(state).toMatchObject({ asked: 1, announced: [] })
})

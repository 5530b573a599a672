import type { Connection, Stream } from '@libp2p/interface'
import { multiaddr } from '@multiformats/multiaddr'
import { expect, test } from 'vitest'
import { startedLibp2pEngine } from '../../../fixtures/libp2p-engine.ts'
import { field, fieldsOf, sized, unsized } from '../../../fixtures/protobuf.ts'
import { stockNode } from '../../../fixtures/stock-node.ts'

/* test/e2e/nat/matrix.test.ts shows, over real routers, that holes are punched. */

const protocol = '/libp2p/dcutr'
/** Tag and value of `type`, CONNECT (https://github.com/libp2p/specs/blob/master/relay/DCUtR.md#rpc-messages). */
const connect = Buffer.of(8, 100)
const signal = AbortSignal.timeout(60_000)

/** Asks for an upgrade, as the end that was dialled does. The stream's answers so far. */
async function ask(connection: Connection, addresses: string[]): Promise<{ stream: Stream; answers: Uint8Array[] }> {
  const stream = await connection.newStream(protocol, { signal, runOnLimitedConnection: true })
  const answers: Uint8Array[] = []
  stream.addEventListener('message', ({ data }) => answers.push(data.subarray()))
  const named = addresses.map((address) => field(2, multiaddr(address).bytes))
  // A stream that is refused may be so by now.
  if (stream.status === 'open') stream.send(sized(Buffer.concat([connect, ...named])))
  return { stream, answers }
}

test('a peer on a relayed connection is answered, and told no private address', async () => {
  const relay = await startedLibp2pEngine({ relay: true })
  const target = await startedLibp2pEngine({ listen: ['/ip4/127.0.0.1/tcp/0', '/p2p-circuit'] })
  const [toRelay = ''] = await relay.multiaddrs()
  await target.dial(toRelay, { source: 'rest', signal })
  const through = async () => (await target.multiaddrs()).find((address) => address.includes('/p2p-circuit')) ?? ''
  await expect.poll(through).not.toBe('')
  const node = await stockNode()
  const connection = await node.dial(multiaddr(await through()))
  const { answers } = await ask(connection, ['/ip4/11.0.0.10/tcp/1'])
  await expect.poll(() => answers.length).toBe(1)
  expect([...fieldsOf(unsized(answers[0] ?? new Uint8Array()))]).toEqual([[1, 100]])
})

test('a peer on a direct connection, which needs no other, has no dials made', async () => {
  const engine = await startedLibp2pEngine()
  const [address = ''] = await engine.multiaddrs()
  const node = await stockNode()
  const { stream, answers } = await ask(await node.dial(multiaddr(address)), ['/ip4/11.0.0.10/tcp/1'])
  await expect.poll(() => stream.status).toBe('reset')
  expect(answers).toEqual([])
})

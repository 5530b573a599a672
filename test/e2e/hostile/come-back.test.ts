// The kind: a peer that is refused, or whose link ends at once, dials again without end.
import { randomBytes } from 'node:crypto'
import { setTimeout as pause } from 'node:timers/promises'
import { pino } from 'pino'
import { describe, expect, test } from 'vitest'
import type { P2PEngine } from '../../../src/engine/engine.ts'
import { SelfDial } from '../../../src/errors.ts'
import { countedSockets, portOf } from '../../fixtures/counted-sockets.ts'
import { type CustomEngineOptions, startedCustomEngine } from '../../fixtures/custom-engine.ts'
import { type Libp2pEngineOptions, startedLibp2pEngine } from '../../fixtures/libp2p-engine.ts'

/** The time that is watched, in milliseconds, and dials that are too many in it; without a back-off there are 75 and more. */
const windowMs = 5_000
const tooMany = 10

type EngineOptions = CustomEngineOptions & Libp2pEngineOptions

const engines: Array<{ name: string; form: string; start: (options?: EngineOptions) => Promise<P2PEngine> }> = [
  { name: 'custom', form: '/ws', start: (options) => startedCustomEngine(options) },
  { name: 'libp2p', form: '', start: (options) => startedLibp2pEngine({ listen: ['/ip4/127.0.0.1/tcp/0'], ...options }) },
]

function withSignal() {
  return { source: 'rest', signal: AbortSignal.timeout(10_000) } as const
}

function lines() {
  const written: string[] = []
  return { written, logger: pino({ level: 'info' }, { write: (line: string) => void written.push(line) }) }
}

async function idsOf(engine: P2PEngine): Promise<string[]> {
  return (await engine.peers()).map(({ peerId }) => peerId)
}

describe.each(engines)('with the $name engine', ({ form, start }) => {
  /** A gateway, and the address of a door to it that counts. */
  async function doorTo(options: EngineOptions) {
    const gateway = await start(options)
    const door = await countedSockets({ towards: portOf((await gateway.multiaddrs())[0]) })
    return { gateway, door, address: `/ip4/127.0.0.1/tcp/${door.port}${form}/p2p/${gateway.peerId}` }
  }

  test('a peer that is blocked dials a few times, and both logs say so once', async () => {
    const [here, there] = [lines(), lines()]
    const { gateway, door, address } = await doorTo({ logger: here.logger })
    const seed = randomBytes(32)
    const first = await start({ seed })
    await gateway.block(first.peerId)
    await first.stop()
    await start({ seed, bootstrap: [address], logger: there.logger })
    const said = () => [
      here.written.filter((line) => line.includes('refused a peer')).length,
      there.written.filter((line) => line.includes('a peer refuses links')).length,
    ]
    await expect.poll(said).toEqual([1, 1])
    await pause(windowMs)
    expect(door.count).toBeLessThan(tooMany)
    expect(said()).toEqual([1, 1])
    expect(await idsOf(gateway)).toEqual([])
  })

  test('a peer that finds a gateway full dials a few times', async () => {
    const here = lines()
    const { gateway, door, address } = await doorTo({ limits: { maxConnections: 1 }, logger: here.logger })
    const guest = await start()
    await guest.dial((await gateway.multiaddrs())[0] ?? '', withSignal())
    await start({ bootstrap: [address] })
    await expect.poll(() => door.count).toBeGreaterThan(0)
    await pause(windowMs)
    expect(door.count).toBeLessThan(tooMany)
    // libp2p refuses the socket before it knows who comes.
    expect(here.written.filter((line) => line.includes('refused a peer'))).toHaveLength(gateway.kind === 'custom' ? 1 : 0)
    expect(await idsOf(gateway)).toEqual([guest.peerId])
  })

  test('a peer that was refused is linked when it is not blocked any more, and a client may ask for that at once', async () => {
    const { gateway, door, address } = await doorTo({})
    const peer = await start()
    await gateway.block(peer.peerId)
    for (let attempt = 0; attempt < 3; attempt++) await peer.dial(address, withSignal()).catch(() => undefined)
    const { count } = door
    await peer.dial(address, { ...withSignal(), source: 'learnt' }).catch(() => undefined)
    await gateway.unblock(peer.peerId)
    await peer.dial(address, withSignal())
    expect(count).toBeGreaterThan(0)
    expect(await idsOf(peer)).toEqual([gateway.peerId])
  })

  test('two nodes with one key do not take turns', async () => {
    const seed = randomBytes(32)
    const { gateway, door, address } = await doorTo({})
    const first = await start({ seed, bootstrap: [address] })
    await expect.poll(() => idsOf(gateway)).toEqual([first.peerId])
    await start({ seed, bootstrap: [address] })
    await pause(windowMs)
    expect(door.count).toBeLessThan(tooMany)
    expect(await idsOf(gateway)).toEqual([first.peerId])
  })
})

describe('on the custom engine', () => {
  test('a peer id that two nodes answer with is shown and logged, here and at the node that gave way', async () => {
    const seed = randomBytes(32)
    const { written, logger } = lines()
    const gateway = await startedCustomEngine({ logger })
    const bootstrap = await gateway.multiaddrs()
    const first = await startedCustomEngine({ seed, bootstrap })
    await expect.poll(() => idsOf(gateway)).toEqual([first.peerId])
    await startedCustomEngine({ seed, bootstrap })
    await expect
      .poll(() => gateway.conflicts())
      .toMatchObject([{ peerId: first.peerId, toldBy: null, multiaddrs: [expect.any(String), expect.any(String)] }])
    await expect.poll(() => first.conflicts()).toMatchObject([{ peerId: first.peerId, toldBy: gateway.peerId }])
    expect(written.filter((line) => line.includes('two nodes use the same peer id'))).toHaveLength(1)
  })

  test("a node that has this node's own key is noticed when it dials", async () => {
    const seed = randomBytes(32)
    const gateway = await startedCustomEngine({ seed })
    await startedCustomEngine({ seed, bootstrap: (await gateway.multiaddrs()).map((address) => address.replace(/\/p2p\/.*/, '')) })
    await expect.poll(() => gateway.conflicts()).toMatchObject([{ peerId: gateway.peerId, toldBy: null }])
  })

  test('a node that dials itself is no conflict', async () => {
    const gateway = await startedCustomEngine()
    const [own = ''] = await gateway.multiaddrs()
    await expect(gateway.dial(own.replace(/\/p2p\/.*/, ''), withSignal())).rejects.toThrow(SelfDial)
    expect(await gateway.conflicts()).toEqual([])
  })

  test('a peer that is started anew replaces its old link at once', async () => {
    const seed = randomBytes(32)
    const gateway = await startedCustomEngine()
    const address = (await gateway.multiaddrs())[0] ?? ''
    const before = await startedCustomEngine({ seed })
    await before.dial(address, withSignal())
    // The old one is still there, as one that lost its network would be.
    const after = await startedCustomEngine({ seed })
    await after.dial(address, withSignal())
    await expect.poll(() => idsOf(before)).toEqual([])
    await expect.poll(() => idsOf(after)).toEqual([gateway.peerId])
    expect(await gateway.conflicts()).toEqual([])
  })

  test('a full gateway names others, which the refused peer links with', async () => {
    const gateway = await startedCustomEngine({ limits: { maxConnections: 1 } })
    const guest = await startedCustomEngine({ dialOwnHost: true })
    await guest.dial((await gateway.multiaddrs())[0] ?? '', withSignal())
    const late = await startedCustomEngine({ dialOwnHost: true, bootstrap: await gateway.multiaddrs() })
    await expect.poll(() => idsOf(late)).toEqual([guest.peerId])
  })

  test('a peer that is refused never takes the other end for linked', async () => {
    const gateway = await startedCustomEngine()
    const peer = await startedCustomEngine()
    const events: string[] = []
    peer.listen(({ type }) => events.push(type))
    await gateway.block(peer.peerId)
    await expect(peer.dial((await gateway.multiaddrs())[0] ?? '', withSignal())).rejects.toThrow(/refused the link \(refused\)/)
    expect(events).toEqual([])
  })
})

test("with the libp2p engine a node that has this node's own key is noticed when it dials", async () => {
  const seed = randomBytes(32)
  const gateway = await startedLibp2pEngine({ seed, listen: ['/ip4/127.0.0.1/tcp/0'] })
  const other = await startedLibp2pEngine({ seed, listen: ['/ip4/127.0.0.1/tcp/0'] })
  const [address = ''] = await gateway.multiaddrs()
  await other.dial(address.replace(/\/p2p\/.*/, ''), withSignal()).catch(() => undefined)
  await expect.poll(() => gateway.conflicts()).toMatchObject([{ peerId: gateway.peerId, toldBy: null }])
})

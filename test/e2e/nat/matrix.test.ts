import { expect, test } from 'vitest'
import { canMakeBadLinks } from '../../fixtures/bad-link.ts'
import type { EngineName } from '../../fixtures/gateway-process.ts'
import { natKinds, type RouterKind } from '../../fixtures/nat-kinds.ts'
import { canRoute, createRoutedNetwork } from '../../fixtures/routed-network.ts'
import { directPath, paths, startPair, startReaders, startRelay } from '../../fixtures/routed-pair.ts'
import { badLine, type Cell } from './cell.ts'

/** Two gateways, each behind a router of some kind, and a relay in the public network. `PEERGATE_NAT=all` has every pair of kinds tried. */

type Kinds = readonly [RouterKind, RouterKind]

const isAll = process.env['PEERGATE_NAT'] === 'all'
/** Milliseconds in which the second gateway has its path on good lines. Only a run for the tables has the machine for itself. */
const limitMs: Record<Cell['path'], number> = { direct: 3_000, relay: 2_000 }
const engines: EngineName[] = ['custom', 'libp2p']
/** Pairs that differ from each other in how the path is found, or in that there is none. */
const telling: Kinds[] = [
  ['none', 'symmetric'],
  ['full-cone', 'address-restricted'],
  ['address-restricted', 'symmetric'],
  ['port-restricted', 'double'],
  ['port-restricted', 'symmetric'],
]
const every: Kinds[] = natKinds.flatMap((one, index) => natKinds.slice(index).map((other): Kinds => [one, other]))
/** With IPv6. */
const six: Kinds[] = [
  ['none', 'firewall'],
  ['firewall', 'firewall'],
]
/** Neither end can be dialled, and each has to let in the other: tried twenty times. */
const punched: Kinds[] = Array.from({ length: 19 }, () => ['port-restricted', 'port-restricted'])
const kinds = isAll ? [...every, ...six, ...punched] : [...telling, ...six.slice(1)]
/** The same twenty times where packets are lost and late. */
const bad: Kinds[] = isAll ? [...punched, ['port-restricted', 'port-restricted']] : []

function cells(engine: EngineName): Cell[] {
  const of = (lines: Cell['lines']) => (pair: Kinds) => ({ engine, kinds: pair, lines, path: pathOf(pair) })
  return [...kinds.map(of('good')), ...bad.map(of('bad'))]
}

test.for(engines.flatMap(cells))(
  '$engine: behind $kinds.0 and $kinds.1 routers on $lines lines the path is $path, and messages go both ways (needs network namespaces)',
  { timeout: 240_000 },
  async (cell, { skip, task }) => {
    skip(!(await canRoute()) || (cell.lines === 'bad' && !(await canMakeBadLinks())), 'network namespaces, nft and TUN devices are needed')
    task.meta.reach = cell
    const network = await createRoutedNetwork([...cell.kinds], cell.lines === 'bad' ? badLine : undefined)
    const ip = cell.kinds.includes('firewall') ? 6 : 4
    const pair = await startPair(cell.engine, network, [await startRelay(cell.engine, network, { ip })], ip)
    const begun = performance.now()
    const path = cell.path === 'direct' ? directPath[cell.engine] : 'relay'
    await expect.poll(() => paths(pair), { timeout: 120_000, interval: 100 }).toEqual([path, path])
    const tookMs = performance.now() - begun
    task.meta.reach = { ...cell, tookMs }
    const readers = await startReaders(pair)
    for (let round = 0; round < 3; round++) await readers.publish()
    await readers.expectAll()
    expect(await paths(pair)).toEqual([path, path])
    if (isAll && cell.lines === 'good') expect(tookMs).toBeLessThan(limitMs[cell.path])
  },
)

/**
 * The stated path of a pair. The port from which a symmetric router sends to the other one cannot be told, and a router
 * that lets in only ports that its host has sent to refuses it.
 */
function pathOf(pair: Kinds): Cell['path'] {
  if (!pair.includes('symmetric')) return 'direct'
  const [other = 'symmetric'] = pair.filter((kind) => kind !== 'symmetric')
  return other === 'symmetric' || other === 'port-restricted' || other === 'double' ? 'relay' : 'direct'
}

import { join } from 'node:path'
import { clientAttacks } from '../test/fixtures/attacks/client-attacks.ts'
import { honestTopic, peerAttacks } from '../test/fixtures/attacks/peer-attacks.ts'
import { startAttack } from '../test/fixtures/attacks/start-attack.ts'
import { startHonestParty } from '../test/fixtures/honest-party.ts'
import { webSocketUrl } from '../test/fixtures/raw-peer.ts'
import type { BenchRow } from './result.ts'
import { percentile } from './statistics.ts'
import { temporaryDirectory } from './temporary-directory.ts'

/** Heap size of the attacked gateway, and milliseconds of each measurement. */
const heapMiB = 256
const attackMs = 8_000
const quietMs = 4_000

/**
 * Publish latency (p99) of an honest client during each attack, one after another on one gateway, also as a ratio to
 * idle.
 */
export async function benchAttacks(): Promise<BenchRow[]> {
  await using resources = new AsyncDisposableStack()
  const directory = await temporaryDirectory(resources)
  const directories: [string, string, string] = [join(directory, 'subject'), join(directory, 'other'), join(directory, 'bystander')]
  const party = resources.use(await startHonestParty({ directories, topic: honestTopic, heapMiB }))
  const { url, peerId, multiaddrs } = party.subject
  const target = { url, peerId, p2pUrl: webSocketUrl(multiaddrs), multiaddr: multiaddrs[0] ?? '', token: party.tokens.attacker }
  await party.publish(quietMs)
  const idle = percentile((await party.publish(attackMs)).subject, 0.99)
  const rows: BenchRow[] = [{ label: 'honest publisher, idle gateway: p99', value: idle, unit: 'ms' }]
  for (const [index, attack] of [...clientAttacks, ...peerAttacks].entries()) {
    const running = await startAttack(attack, { ...target, localAddress: `127.0.2.${index + 1}` })
    const p99 = percentile((await party.publish(attackMs)).subject, 0.99)
    await running[Symbol.asyncDispose]()
    rows.push({ label: `during ${attack.name}: p99`, value: p99, unit: `ms, ${(p99 / idle).toFixed(1)} × idle` })
    await party.publish(quietMs)
  }
  return rows
}

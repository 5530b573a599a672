import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import type { Attack } from '../../fixtures/attacks/attacker.ts'
import { clientAttacks } from '../../fixtures/attacks/client-attacks.ts'
import { libp2pAttacks } from '../../fixtures/attacks/libp2p-attacks.ts'
import { honestTopic, peerAttacks } from '../../fixtures/attacks/peer-attacks.ts'
import { startAttack } from '../../fixtures/attacks/start-attack.ts'
import { collectGarbage } from '../../fixtures/collect-garbage.ts'
import type { EngineName } from '../../fixtures/gateway-process.ts'
import { type Latencies, startHonestParty } from '../../fixtures/honest-party.ts'
import { webSocketUrl } from '../../fixtures/raw-peer.ts'
import { temporaryDirectory } from '../../fixtures/temporary.ts'
import { byLength } from '../../fixtures/test-length.ts'

/*
 * Holds off all kinds at once: every attack of test/fixtures/attacks, each by a process of its own with an address of its own, on a
 * gateway whose heap has 256 MiB, while an honest client publishes there and another follows at a second gateway.
 */

const quietMs = 4_000
/** After which all attackers have started. */
const startMs = 3_000
/** Enough for the slowest one percent to be more than a single one, however few a busy machine publishes in a second. */
const attackedMessages = byLength({ gate: 200, full: 500 })

const engines: Array<[EngineName, readonly Attack[]]> = [
  ['custom', peerAttacks],
  ['libp2p', libp2pAttacks],
]

test.each(engines)(
  '%s engine, all attacks at once: nothing acknowledged is lost, an honest publisher is served, memory returns',
  async (engine, attacksOfPeers) => {
    // A publisher of an idle gateway waits for the disk, which is what the latency under attack is compared with.
    const directory = await temporaryDirectory(tmpdir())
    const party = await startHonestParty({
      directories: [join(directory, 'subject'), join(directory, 'other'), join(directory, 'bystander')],
      topic: honestTopic,
      engine,
      heapMiB: 256,
    })
    onTestFinished(() => party[Symbol.asyncDispose]())
    const { subject, tokens } = party

    /** What the gateway's heap and its buffers hold that is in use. */
    async function usedMiB(): Promise<number> {
      await collectGarbage(subject)
      const text = await (await party.call(tokens.operator, 'GET', '/metrics')).text()
      const bytes = ['nodejs_heap_size_used_bytes', 'nodejs_external_memory_bytes'].map((name) =>
        Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(text)?.[1]),
      )
      return bytes.reduce((sum, each) => sum + each, 0) / 2 ** 20
    }

    await party.publish(quietMs / 2)
    const idle = await party.publish(quietMs)
    const before = await usedMiB()

    const [multiaddr = ''] = subject.multiaddrs
    const p2pUrl = engine === 'custom' ? webSocketUrl(subject.multiaddrs) : ''
    const target = { url: subject.url, p2pUrl, multiaddr, peerId: subject.peerId, token: tokens.attacker }
    const attacks = await Promise.all(
      [...clientAttacks, ...attacksOfPeers].map((attack, index) =>
        startAttack(attack, { ...target, localAddress: `127.0.1.${index + 1}` }),
      ),
    )
    await party.publish(startMs)
    const attacked: Latencies = { subject: [], bystander: [] }
    while (attacked.subject.length < attackedMessages) {
      const { subject: here, bystander: elsewhere } = await party.publish(1_000)
      attacked.subject.push(...here)
      attacked.bystander.push(...elsewhere)
    }
    await Promise.all(attacks.map((attack) => attack[Symbol.asyncDispose]()))

    expect(subject.child.exitCode).toBeNull()
    const { acknowledged, subscriber } = party
    await subscriber.until(() => new Set(subscriber.messages.map(({ id }) => id)).size >= acknowledged.length)
    expect(subscriber.messages.map(({ id }) => id)).toEqual(acknowledged)
    // What the machine makes a client wait, which it shares with the attackers and with whatever else runs, is not the gateway's doing.
    const waited = percentile(attacked.subject, 0.99)
    const idleHere = percentile(idle.subject, 0.99)
    const elsewhere = percentile(attacked.bystander, 0.99)
    expect(waited, `${idleHere} ms before it, ${elsewhere} ms at a bystander`).toBeLessThan(10 * Math.max(idleHere, elsewhere))
    await expect
      .poll(
        async () => {
          await party.publish(1_000)
          return await usedMiB()
        },
        { timeout: 60_000 },
      )
      .toBeLessThan(before + 64)
  },
  300_000,
)

/** The value below which this share of the values lies. */
function percentile(values: number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

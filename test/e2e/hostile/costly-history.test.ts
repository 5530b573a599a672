import { setTimeout as delay, setImmediate as nextTurn } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import {
  decodePage,
  encodeHistoryRequest,
  type HistoryRequest,
  historyListBytes,
  historyProtocol,
} from '../../../src/catch-up/history-protocol.ts'
import { defaultLimits } from '../../../src/limits.ts'
import type { Store } from '../../../src/store/store.ts'
import { newMessage } from '../../fixtures/messages.ts'
import { createParty, memoryNode, type Party } from '../../fixtures/party.ts'
import { temporaryDirectory } from '../../fixtures/temporary.ts'
import { sqliteStore } from '../../store/sqlite-place.ts'

/* Holds off requests of peers for history that cost much more than they are: a long log read from its beginning again and again. */

const count = 20_000

/** A gateway with so many messages of a topic that it has joined. */
async function partyWithLog(messages: number): Promise<{ party: Party; store: Store }> {
  const store = sqliteStore(await temporaryDirectory())
  const party = await createParty({ store })
  await party.rest.call('PUT', '/v1/topics/orders')
  for (let left = messages; left > 0; left -= 500) {
    const receivedAt = Date.now()
    await store.log.append(Array.from({ length: Math.min(500, left) }, () => newMessage('orders', { receivedAt })))
  }
  return { party, store }
}

/** A peer that asks for history and does nothing else. */
async function asker(party: Party, request: HistoryRequest): Promise<() => Promise<'busy' | 'failed' | number>> {
  const engine = await memoryNode()
  await engine.start()
  onTestFinished(() => engine.stop())
  await engine.dial(await party.address(), { signal: AbortSignal.timeout(10_000), source: 'rest' })
  const body = encodeHistoryRequest(request)
  return async () => {
    await nextTurn()
    try {
      const options = { signal: AbortSignal.timeout(10_000), maxAnswerBytes: historyListBytes }
      const page = decodePage(await engine.request(party.peerId, historyProtocol, body, options), ['orders'])
      return 'retryAfterMs' in page ? 'busy' : page.items.length
    } catch {
      return 'failed'
    }
  }
}

test.each<[string, number, number]>([
  ['all of it', 3_600_000, 2_000],
  ['what is younger than all of it', 0, 0],
])(
  'peers that ask for %s of a long log without end get it at the stated rate, and one that asks little gets it at once',
  {
    timeout: 120_000,
  },
  async (_, maxAgeMs, names) => {
    const { party } = await partyWithLog(count)
    const list = { type: 'list' as const, topics: ['orders'], after: null, maxAgeMs }
    const attackers = await Promise.all(Array.from({ length: 8 }, () => asker(party, list)))
    // The last ten: a ninth of the rate, which is the honest peer's part, is less than all of the log costs each second.
    const { log } = await party.rest.get<{ log: { epoch: string } }>('/v1/node')
    const honest = await asker(party, { ...list, after: `${log.epoch}.${count - 10}` })
    const start = performance.now()
    const answers: Array<string | number> = []
    const wanted = 3
    const goesOn = () => performance.now() < start + 4_000 || answers.length < wanted
    let [busy, pages] = [0, 0]
    const attacks = attackers.flatMap((ask) =>
      Array.from({ length: 8 }, async () => {
        while (goesOn()) {
          const outcome = await ask()
          if (outcome === 'busy') busy++
          else if (outcome !== 'failed') pages++
        }
      }),
    )
    while (goesOn()) {
      // All places of handlers may be taken for the moment; then it asks again.
      const answer = await honest()
      if (answer === 'failed') continue
      answers.push(answer)
      await delay(1_000)
    }
    await Promise.all(attacks)
    const seconds = (performance.now() - start) / 1_000
    // A page costs at least its rows, and its names, of 2,000 rows.
    const pageBytes = 2_000 * 64 + names * 136
    const room = defaultLimits.historyBytesPerSecond * (2 + seconds)
    expect(pages * pageBytes).toBeLessThan(room)
    expect(busy).toBeGreaterThan(0)
    expect(answers).toEqual(answers.map(() => (maxAgeMs > 0 ? 10 : 0)))
  },
)

import { onTestFinished, test } from 'vitest'
import { createClient, memoryCursors } from '../../clients/typescript/src/index.ts'
import { clientScenario, type Player, type Seen, scenario } from '../fixtures/client-scenario.ts'

const { play } = clientScenario()

test(scenario, () => play(openPlayer))

function openPlayer(urls: string[]): Player {
  const open = () => {
    const client = createClient({ url: urls, backOff: { firstMs: 20, lastMs: 200 } })
    onTestFinished(() => client.close())
    return client
  }
  const [publisher, follower] = [open(), open()]
  const cursors = memoryCursors()
  const seen: Seen[] = []

  async function follow(): Promise<never> {
    // The loop is left now and then: the next one begins where the store says.
    for (let left = 0; ; left++) {
      let taken = 0
      for await (const item of follower.subscribe('orders', { after: 'earliest', cursors, maxBufferedItems: 8 })) {
        if (item.type === 'gap') throw new Error(`a gap: ${JSON.stringify(item)}`)
        // What the loop has when it is left does not count as handled.
        if (++taken > 100 && left < 3) break
        if (item.type === 'message') seen.push({ cursor: item.cursor, data: item.message.data })
      }
      if (follower.state.type === 'closed') throw new Error('the follower was closed')
    }
  }

  const failed = follow()
  failed.catch(() => {})
  return { seen, failed, publish: (text) => publisher.publish('orders', text) }
}

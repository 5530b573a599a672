import type { Network } from './engine.ts'

/**
 * The number of peers that each message was handed to on several networks together. A peer that is linked on two of
 * them counts once.
 * @param counts for each network, the counts of the messages that it handed over
 */
export async function recipientsOn(
  networks: ReadonlyArray<Pick<Network, 'subscribers'>>,
  messages: ReadonlyArray<{ topic: string }>,
  counts: readonly number[][],
): Promise<number[]> {
  const onlyOne = counts.length === 1 ? counts[0] : undefined
  if (onlyOne !== undefined) return onlyOne
  const onSeveral = new Map<string, number>()
  for (const { topic } of messages) {
    if (onSeveral.has(topic)) continue
    const subscribers = (await Promise.all(networks.map((network) => network.subscribers(topic)))).flat()
    onSeveral.set(topic, subscribers.length - new Set(subscribers).size)
  }
  return messages.map(({ topic }, index) => {
    const each = counts.map((ofNetwork) => ofNetwork[index] ?? 0)
    const sum = each.reduce((total, count) => total + count, 0)
    return Math.max(sum - (onSeveral.get(topic) ?? 0), ...each)
  })
}

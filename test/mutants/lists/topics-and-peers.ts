import { breaks } from '../patch.ts'

export const topicsAndPeers = [
  ...breaks(
    'src/topics/visible-topics.ts',
    ['test/topics/visible-topics.test.ts'],
    [
      ['a page has what a token must not see', 'if (isVisible) items.push(record)', 'items.push(record)'],
      ['a page reads all topics', 'if (++read >= maxRead)', 'if (++read < 0)'],
    ],
  ),
  ...breaks(
    'src/peers/peers.ts',
    ['test/peers/peers.test.ts'],
    [
      ['configured peers are forgotten', 'keep: [...linked, ...configured]', 'keep: linked'],
      [
        'linked peers are not noted as seen',
        "for (const peerId of linked) note({ peerId, multiaddrs: [], source: 'learnt', seenAt: now() })",
        '',
      ],
      ['peers become too old while the clock is not trusted', 'ages.settledAge() - limits', 'ages.age() - limits'],
    ],
  ),
  ...breaks(
    'src/topics/topic-room.ts',
    ['test/topics/topics.test.ts'],
    [
      ['each refused join reads all joins', 'throw last.error', 'last.until = 0'],
      ['a join is refused for ever', '&& now() < last.until', ''],
    ],
  ),
  ...breaks(
    'src/topics/topics.ts',
    ['test/topics/topics.test.ts', 'test/http/topics.test.ts'],
    [
      ['nothing is published without room for a join', 'if (!(error instanceof TopicLimit)) throw error', 'throw error'],
      ['each publication reads all joins', 'refusal.at = roomsMade', ''],
      ['a place that is free again is not taken', 'room.forget()\n        roomsMade++', 'room.forget()'],
      ['a topic with a retention of its own is left', 'await join(topic, { client, explicit: true })\n      await store', 'await store'],
    ],
  ),
  ...breaks(
    'src/peers/blocks.ts',
    ['test/peers/blocks.test.ts'],
    [
      ['peers that are blocked in the store are not at the engine', 'if (!blocked.has(peerId)) await set(peerId, true)', ''],
      ['peers that another gateway unblocked stay blocked', 'if (!stored.has(peerId)) await set(peerId, false)', 'void peerId'],
      ['a block is not noted', 'blocked.add(peerId)', ''],
      ['the end of a block is not noted', 'blocked.delete(peerId)', ''],
      ['a block is only noted', 'await engine.block(peerId)', ''],
      ['the end of a block is only noted', 'await engine.unblock(peerId)', ''],
    ],
  ),
]

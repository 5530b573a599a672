import { breaks } from '../patch.ts'

const damage = ['test/catch-up/damage.test.ts']

export const catchUp = [
  ...breaks('src/catch-up/catch-up.ts', damage, [
    ['what is damaged is not asked for', 'if (joined.length > 0) await fetchMissing(', 'if (joined.length < 0) await fetchMissing('],
    ['what is damaged is asked for at the next interval only', 'for (const peerId of peers.keys()) appeared(peerId)', ''],
  ]),
  ...breaks(
    'src/catch-up/catch-up.ts',
    ['test/catch-up/catch-up.test.ts'],
    [
      [
        'what was announced and did not come waits for the next round',
        'if (peers.has(event.peerId)) appeared(event.peerId)\n            else missed',
        'missed',
      ],
    ],
  ),
  ...breaks(
    'src/catch-up/history-reader.ts',
    ['test/catch-up/history-reader.test.ts'],
    [
      ['history older than asked is taken', 'return firstSeenAt >= bounds.kept && ', 'return '],
      ['history from before the topic was joined is taken', ' && answeredAt - item.ageMs >= bounds.joined', ''],
      [
        'the time on the way makes a message younger',
        'const firstSeenAt = askedAt - item.ageMs',
        'const firstSeenAt = answeredAt - item.ageMs',
      ],
      ['history of any size is fetched', '|| item.bytes > maxMessageBytes', ''],
      ['a message of another topic is taken', ' || isOfAnother', ''],
      ['a message is taken twice', '!expected.delete(id)', '!expected.has(id)'],
      ['a forged message is taken', 'if (!(await Promise.all(verified)).every(Boolean)) throw falseMessage()', ''],
      [
        'what there is no room for counts as read',
        "if (outcome === undefined) throw new NoRoom('the inbox has no room for fetched messages')",
        'if (outcome === undefined) return',
      ],
      ['pages that lead nowhere are read on', 'if (page.next === after && !page.caughtUp) throw', 'if (page.next === undefined) throw'],
      ['what is known is fetched again', 'candidates.filter(({ id }) => unknown.delete(id))', 'candidates'],
      ['what is offered twice is fetched twice', 'unknown.delete(id)', 'unknown.has(id)'],
      ['any number of topics is named for damaged messages', '.slice(0, maxHistoryTopics)', ''],
      ['what is here and waits to be stored is fetched', 'expected.filter(({ id }) => !here.messages.has(id))', 'expected'],
      ['what is here and waits to be stored is not taken', 'here.messages.get(id) ?? given.get(id)', 'given.get(id)'],
      [
        'a busy peer lies',
        "if ('retryAfterMs' in page) throw new PeerBusy(page)",
        "if ('retryAfterMs' in page) throw new FalseHistory('busy')",
      ],
    ],
  ),
  ...breaks(
    'src/catch-up/history-service.ts',
    ['test/catch-up/history-service.test.ts'],
    [
      ['direct messages are given to anybody', 'topic !== directTopic && ', ''],
      [
        'messages of topics that are neither joined nor named are given',
        'topic !== directTopic && known.has(topic)',
        'topic !== directTopic',
      ],
      [
        'messages of topics that are not joined are not given',
        'new Set([...topics, ...(await engine.topics())])',
        'new Set(await engine.topics())',
      ],
      ['what is older than asked is listed', '.filter(({ firstSeenAt }) => firstSeenAt >= since)', ''],
      [
        'a position in another log counts',
        'if (cursor === undefined || cursor.epoch !== epoch) return { epoch, seq: 0 }',
        'if (cursor === undefined) return 0',
      ],
      ['a position past the tip counts', 'return { epoch, seq: cursor.seq <= tip ? cursor.seq : 0 }', 'return { epoch, seq: cursor.seq }'],
    ],
  ),
  ...breaks(
    'src/catch-up/history-protocol.ts',
    ['test/catch-up/history-reader.test.ts', 'test/catch-up/history-service.test.ts'],
    [
      ['any number of messages is asked for', '.min(1).max(maxHistoryMessages),', '.min(1),'],
      ['any number of topics is named', '.max(maxHistoryTopics).optional()', '.optional()'],
      ['history of topics that were not asked for is taken', 'topic: given(topics[topic])', 'topic: topics[topic] ?? given(topics[0])'],
      ['a page may name authors that it does not list', 'given(answer.authors[author])', "answer.authors[author] ?? ''"],
    ],
  ),
  ...breaks(
    'src/catch-up/catch-up.ts',
    ['test/catch-up/rounds-at-a-time.test.ts'],
    [['any number of peers are asked at once', '.slice(0, limits.maxHistoryRounds - rounds.size)', '']],
  ),
  ...breaks(
    'src/catch-up/catch-up.ts',
    ['test/catch-up/distrust.test.ts', 'test/catch-up/lying-peers.test.ts', 'test/catch-up/catch-up.test.ts'],
    [
      [
        'a gateway of the same database is asked',
        "if ((await gateways.others(0)).some((gateway) => gateway.peerId === peerId)) return 'done'",
        '',
      ],
      ['a peer that lies is asked again', 'if ((distrusted.get(peerId) ?? 0) > performance.now()) {', 'if (peerId.length === 0) {'],
      [
        'a peer that lies stays among those that are asked',
        "'a peer sent false history; it is not asked for some time')\n    peers.delete(peerId)",
        "'a peer sent false history; it is not asked for some time')",
      ],
      [
        'a peer that has joined no topic is not asked',
        'if (protocols.includes(historyProtocol) && (isFirst || !peers.has(peerId))) appeared(peerId)',
        '',
      ],
      [
        'how far a log was read is not kept',
        'if ([...reached].some(([topic, position]) => before.get(topic) !== position)) await positions.set(peerId, reached)',
        '',
      ],
    ],
  ),
  ...breaks(
    'src/catch-up/missed-messages.ts',
    ['test/catch-up/missed-messages.test.ts'],
    [
      ['what a log lists is given up', 'for (const id of ids) left.delete(id)', ''],
      ['what a log does not list is waited for until the messages after it are fetched', 'if (isAll) giveUp()', ''],
      ['what the log of a peer is not read for is kept', 'gone: (peerId) => order.missed(take(peerId), peerId)', 'gone: () => undefined'],
      ['any number of messages of one peer is remembered', 'all.slice(0, maxOfPeer)', 'all'],
    ],
  ),
  ...breaks(
    'src/catch-up/catch-up.ts',
    ['test/catch-up/order.test.ts'],
    [['what was announced and not sent is waited for though the log has been read', 'missed.note(event.peerId, event.ids)', '']],
  ),
  ...breaks(
    'src/catch-up/first-rounds.ts',
    ['test/catch-up/first-rounds.test.ts'],
    [
      ['live messages are held until the first answer only', 'if (waiting.size > 0) return', ''],
      ['a peer that keeps no messages counts as one that does', 'if (hasTold && !protocols.includes(historyProtocol))', 'if (false)'],
      ['each new link holds live messages', 'held !== undefined || performance.now() < backAt + backMs', 'true'],
      ['a link that opens right after the first peer was asked holds none', ' || performance.now() < backAt + backMs', ''],
      [
        'peers that are asked again hold messages at any time',
        'if (held !== undefined) for (const peerId of peerIds)',
        'for (const peerId of peerIds)',
      ],
      ['what is fetched is held until the first peer has listed something', 'if (unlisted.size > 0) return', ''],
      ['what is fetched is held for peers that have been asked', 'listed(peerId)\n    waiting', 'waiting'],
      ['what is fetched is not held', 'heldPast ??= order.holdPast()', ''],
      ['a peer that leaves is waited for', 'networks.delete(peerId)\n    done(peerId)', 'networks.delete(peerId)'],
      ['a gateway without topics holds messages', 'if (topics.length === 0) live[Symbol.dispose]()', 'void topics'],
    ],
  ),
  ...breaks(
    'src/catch-up/catch-up.ts',
    ['test/catch-up/order.test.ts'],
    [
      [
        'what is fetched waits for peers that are asked later',
        'for (const [peerId] of waiting) firstRounds.listed(peerId)',
        'void waiting',
      ],
      ['what is fetched waits until its peer has been asked', 'firstRounds.listed(peerId)\n      }', '}'],
      [
        'live messages are not held for the first rounds',
        "const isFirst = firstRounds.linked(event.peer, event.type === 'peer:update' && protocols.length > 0)",
        'const isFirst = false',
      ],
    ],
  ),
  ...breaks(
    'src/catch-up/history-batches.ts',
    ['test/catch-up/history-reader.test.ts', 'test/catch-up/order.test.ts'],
    [
      ['a batch has any number of messages', 'batch.length >= maxHistoryMessages || ', ''],
      [
        'a batch has any number of bytes',
        '(batch.length >= maxHistoryMessages || bytes + item.bytes > historyBatchBytes)',
        'batch.length >= maxHistoryMessages',
      ],
      [
        'a page is fetched in the order of the other log',
        'numbered.toSorted((one, other) => (one.sequence < other.sequence ? -1 : 1))',
        'numbered',
      ],
    ],
  ),
  ...breaks(
    'src/catch-up/history-reader.ts',
    ['test/catch-up/history-reader.test.ts'],
    [
      ['nobody knows which messages are being asked for', 'fetching.request(batch.map(({ id }) => id))', ''],
      ['what a peer leaves out is waited for', 'onLeftOut?.(asked', 'void (asked'],
      ['a page that has failed is waited for', 'using fetching = ', 'const fetching = '],
    ],
  ),
  ...breaks(
    'src/catch-up/catch-up.ts',
    ['test/catch-up/bridge-rounds.test.ts'],
    [
      ['a bridge without topics has asked', "outcome !== 'no topics' && ", ''],
      ['a round counts for topics that came after it began', ' && bridged === bridgedBefore', ''],
    ],
  ),
]

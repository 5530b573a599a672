import { breaks } from '../patch.ts'

const requests = ['test/engine/bodies.test.ts']

/** What peers have of what they share, and what this node does on their word. */
export const peerShares = [
  ...breaks('src/engine/asker.ts', requests, [
    ['peers are counted by their ids alone', 'isConfigured ? `peer ${peerId}` :', 'peerId !== "" ? peerId :'],
    ['a configured peer counts by its address', 'isConfigured ? `peer ${peerId}` : ', ''],
    ['peers behind a relay count as the relay', "${seen.isRelayed ? ' relayed' : ''}", ''],
  ]),
  ...breaks('src/engine/request-semaphore.ts', requests, [
    ['addresses share no places', 'const ofHost = addresses.take(host, bytes)', 'const ofHost = createLevel(ofAddress).take(host, bytes)'],
    ['the last quarter is for all', 'if (places.held(holder) > 0 && places.total >= inAll - reserved) return undefined', ''],
    ['bytes of bodies have no bound', 'const held = bytesOf.take(holder, bytes)', 'const held = bytesOf.hold(holder, bytes)'],
    ['what is refused is not counted', 'if (taken === undefined) onRefused()', ''],
  ]),
  ...breaks('src/engine/bodies.ts', requests, [
    ['peers have no share of the bodies', ' || ofPeers.refusal(peerId, bytes) !== undefined', ''],
    ['nobody makes room', 'while (ofHosts.refusal(host, bytes) !== undefined && makeRoom(from, bytes));', ''],
    ['the address with the most keeps what it has', 'if (isLarger && giveUpAt(largest, 0)) return true', ''],
    ['who has less makes room for who has more', 'ofPeers.held(largest) <= bytes', 'ofPeers.held(largest) < 0'],
    ['what is given up is not counted', 'onGivenUp()\n', ''],
  ]),
  ...breaks(
    'src/engine/dht-quota.ts',
    ['test/engine/libp2p/dht-datastore.test.ts', 'test/engine/custom/dht/holdings.test.ts'],
    [
      [
        'an address may have all records while others have any',
        'left.records > mine.records ? share : alone',
        'left.records > mine.records ? alone : alone',
      ],
      ['an address that is alone leaves nothing free', 'const alone = less(all, share)', 'const alone = all'],
      [
        'what is replaced counts',
        'holdersOf(replaced).includes(holder) ? less(held, sizeOf(replaced)) : held',
        'holdersOf(replaced).includes("") ? held : held',
      ],
      ['authors are not counted', '...(author === undefined ? [] : [`author ${author}`]),', ''],
      ['a peer has no limits of its own', '(holder.startsWith(peerPrefix) && isBeyond(mine, bytes, ofPeer))', 'false'],
    ],
  ),
  ...breaks(
    'src/engine/dial/budget.ts',
    ['test/engine/dial/budget.test.ts'],
    [
      ['a dial that fails costs nothing', 'if (!isUsed) paid.spend(now(), -1)', 'paid.spend(now(), -1)'],
      ['a dial that reaches a peer costs', 'isUsed = false\n', ''],
      ['a host is dialled at any number of doors', 'if (!hosts(host).take(now()))', 'if (!hosts(host + Math.random()).take(now()))'],
      ['a door is tried again at once', 'if (notBefore > now() && !isMutual)', 'if (notBefore < 0)'],
      ['any number of told dials at once', 'if (place === undefined) return', 'if (place === null) return'],
    ],
  ),
  ...breaks(
    'src/engine/dial/back-off.ts',
    ['test/engine/dial/back-off.test.ts'],
    [
      ['pauses do not grow', 'backOffMs(pauses, refusals - 1, random)', 'backOffMs(pauses, 0, random)'],
      [
        'a link of a moment makes pauses forgotten',
        'if (livedMs >= stableMs) peers.delete(peerId)',
        'if (livedMs >= 0) peers.delete(peerId)',
      ],
      ['a peer can have this node wait for ever', 'Math.min(said?.retryAfterMs ?? 0, maxRetryAfterMs)', 'said?.retryAfterMs ?? 0'],
      ['peers that refused are remembered without end', '{ max: maxPeers }', '{ max: Infinity }'],
    ],
  ),
  ...breaks(
    'src/engine/dial/tellers.ts',
    ['test/engine/dial/tellers.test.ts', 'test/engine/dial/budget.test.ts', 'test/engine/dial/policy-sources.test.ts'],
    [
      ['who told an address depends on the peer id in it', "return socket.replace(/\\/p2p\\/[^/]*$/, '')", 'return socket'],
      ['a host tells any number of addresses', '{ max: maxAddressesOfHost }', '{ max: Infinity }'],
    ],
  ),
  ...breaks(
    'src/engine/custom/link/goodbye.ts',
    ['test/engine/custom/link/goodbye.test.ts'],
    [['a peer says any time to wait', '.transform((ms) => Math.min(ms, maxRetryAfterMs))', '']],
  ),
  ...breaks(
    'src/engine/custom/link/secure-channel.ts',
    ['test/engine/custom/link/secure-channel.test.ts'],
    [
      ['a link reads on while what it has read waits', 'this.#isWanted && !this.#hasWork', 'this.#isWanted'],
      ['what a peer said before it closed is lost', 'return this.#isWanted || this.#isEnded', 'return this.#isWanted && !this.#isEnded'],
    ],
  ),
  ...breaks(
    'src/lib/loop-turns.ts',
    ['test/lib/loop-turns.test.ts'],
    [
      ['one link has whole turns', 'Math.min(sliceMs, leftMs)', 'leftMs'],
      ['peers keep the event loop from the others', 'if (leftMs <= 0) break', ''],
    ],
  ),
  ...breaks(
    'src/engine/custom/link/frame-budget.ts',
    ['test/engine/custom/link/frame-budget.test.ts'],
    [
      ['a peer is slowed for ever and never cut', "if (!slowed.take(now, more)) return 'over'", ''],
      ['a peer is never slowed', 'if (left >= 0) return pausedUntil', 'return pausedUntil'],
      ['a peer begins anew with each link', 'of: createLru({ max: maxRemembered }, createFrameBudget)', 'of: createFrameBudget'],
    ],
  ),
  ...breaks(
    'src/engine/inbound-budget.ts',
    ['test/engine/inbound-budget.test.ts'],
    [
      [
        "one author's messages take the room of all",
        "refusal === undefined || (refusal === 'share' && byAuthor.held(author) === 0)",
        "refusal !== 'all'",
      ],
    ],
  ),
  ...breaks(
    'src/catch-up/history-service.ts',
    ['test/catch-up/history-service.test.ts'],
    [['one peer asks for history many times at once', 'purse.isEmpty || served.has(from)', 'purse.isEmpty']],
  ),
  ...breaks(
    'src/http/work-semaphores.ts',
    ['test/http/work-semaphores.test.ts'],
    [
      ['any number of lookups at once', 'max: limits.maxLookups', 'max: 1_000'],
      ['any number of requested dials at once', 'max: limits.maxRequestedDials', 'max: 1_000'],
      ['any number of lists at once', 'const maxLists = 3', 'const maxLists = 1_000'],
      ['work that is done keeps its place', "else reply.raw.once('close', () => place[Symbol.dispose]())", ''],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/transport/negotiations.ts',
    ['test/engine/libp2p/negotiations.test.ts'],
    [
      ['any number of proposals is answered', 'if (answers <= maxAnswers) return', 'return'],
      ['negotiations of connections are not bounded', 'inProgress.add(connection)\n', ''],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/transport/muxer-frames.ts',
    ['test/engine/libp2p/negotiations.test.ts'],
    [['proposals on many streams cost nothing', 'if (answers > includedAnswers) orCutAlone', 'if (answers < 0) orCutAlone']],
  ),
]

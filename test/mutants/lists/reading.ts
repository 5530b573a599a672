import { breaks } from '../patch.ts'

/** How fast peers are read, and what is known of a link before it counts. */
export const reading = [
  ...breaks(
    'src/engine/libp2p/transport/pausable-stream.ts',
    ['test/engine/libp2p/full-speed.test.ts'],
    [
      ['a paused stream is never read on', "if (stream.readStatus === 'paused' && !(await isThere(next))) resume()", ''],
      ['what a stream holds when it is closed goes with it', "stream.addEventListener('remoteCloseWrite', resume)", ''],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/gossip/gossip-frames.ts',
    ['test/engine/libp2p/full-speed.test.ts'],
    [
      ['libp2p reads although nothing has room', '!reading.isOpen; next = changed()', 'false; next = changed()'],
      ['libp2p holds up no peer that is faster', 'pausable.pause()\n', ''],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/transport/pause-reading.ts',
    ['test/engine/libp2p/transport/hold-unread.test.ts', 'test/engine/libp2p/full-speed.test.ts'],
    [
      ['a paused stream of QUIC reads on', "while (stream?.readStatus === 'paused') await resumed.promise\n", ''],
      ['a stream of QUIC that was paused reads no more', 'resumed.resolve()\n', ''],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/transport/hold-unread.ts',
    ['test/engine/libp2p/transport/hold-unread.test.ts'],
    [
      ['a stream without a reader reads on', 'stream.pause()\n', ''],
      ['a stream that got a reader stays paused', "if (wasHeld && stream.readStatus === 'paused') stream.resume()", ''],
      ['a reader is called while it begins to listen', 'queueMicrotask(letGo)', 'letGo()'],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/transport/late-windows.ts',
    ['test/engine/libp2p/ended-while-paused.test.ts', 'test/engine/libp2p/transport/late-windows.test.ts'],
    [
      ['a window that nobody can be told of ends the process', 'return type === goAway || (type', 'return type === goAway && (type'],
      ['a goodbye that nobody can be told ends the process', 'type === goAway || ', ''],
    ],
  ),
  ...breaks(
    'src/engine/custom/link/open-link.ts',
    ['test/engine/custom/full-speed.test.ts', 'test/engine/custom/link/links.test.ts', 'test/engine/custom/link/hostile-peers.test.ts'],
    [
      ['a link reads although nothing has room', ' && this.#reading.isOpen', ''],
      [
        'a link is not read again when there is room',
        'components.reading.link(this.peerId, () => this.#steer())',
        'components.reading.link(this.peerId, () => undefined)',
      ],
      ['a slowed peer is read', 'this.#hasBegun && this.#slowed === undefined && ', 'this.#hasBegun && '],
      ['a peer that is held back is silent', 'this.#isPaused ? performance.now() : this.#channel.lastHeard))', 'this.#channel.lastHeard))'],
      ['a silent peer stays', 'this.#silence.look() >= maxUnansweredPings', 'false'],
    ],
  ),
  ...breaks(
    'src/engine/silence.ts',
    ['test/engine/custom/link/hostile-peers.test.ts', 'test/engine/libp2p/connection-monitor.test.ts'],
    [
      ['one silent look is enough', 'heard > before ? 0 : looks + 1', 'heard > before ? 0 : looks + 3'],
      ['a sign of life does not count', 'heard > before ? 0 : looks + 1', 'looks + 1'],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/introductions.ts',
    ['test/engine/libp2p/introductions.test.ts'],
    [
      ['what a peer said before is forgotten', 'introduced.add(connection)\n', ''],
      ['nobody hears what a peer says', 'for (const end of waiting.get(connection) ?? []) end()', ''],
      ['a dial waits for a peer that has closed', "connection.addEventListener('close', end)", ''],
      ['a dial waits although it was given up', 'createDeadline(left, [signal])', 'createDeadline(left, [])'],
      ['a dial waits for ever', 'createDeadline(left,', 'createDeadline(2 ** 30,'],
      ['a dial waits for a peer that is late', ' || left <= 0) return', ') return'],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/dht/routing.ts',
    ['test/engine/libp2p/routing.test.ts'],
    [['libp2p has put what nobody took', "if (taken === 0) throw new DhtRefused('No peer accepted the record.')", '']],
  ),
  ...breaks(
    'src/engine/custom/dht/dht-node.ts',
    ['test/engine/custom/routing.test.ts'],
    [
      [
        'a node has put what nobody took',
        'if (!answers.some(({ refused }) => refused === undefined)) throw',
        'if (answers.length < 0) throw',
      ],
      [
        'a node provides what nobody noted',
        'if ((await announce(place, signal)) === 0) throw',
        'if ((await announce(place, signal)) < 0) throw',
      ],
    ],
  ),
]

import { breaks } from '../patch.ts'

/** Streams and server-sent events. */
export const streams = [
  ...breaks(
    'src/stream/own-messages.ts',
    ['test/stream/patterns.test.ts'],
    [['what a connection has published is forgotten at once', 'seqsOf.set(client, seqs)', '']],
  ),
  ...breaks(
    'src/stream/subscription.ts',
    ['test/stream/patterns.test.ts'],
    [['a subscription is sent what it leaves out', 'if (this.#init.isLeftOut?.(entry.message.seq) === true) return\n', '']],
  ),
  ...breaks(
    'src/stream/subscription.ts',
    ['test/stream/subscription.test.ts'],
    [
      [
        'damage is told after what is behind it',
        'this.#announceUpTo(entry.message.seq - 1, removed)',
        'this.#announceGaps(entry.message.seq - 1)',
      ],
    ],
  ),
  ...breaks(
    'src/stream/connection.ts',
    ['test/access/revocation.test.ts'],
    [
      ['frames are taken after the goodbye', '} else if (!this.#sink.isOpen) {', '} else if (this.#isGone) {'],
      ['what a revoked client has asked already is done', 'this.#isRevoked = true', 'this.#isRevoked = false'],
      [
        'what a revoked client has not taken stays for it',
        'if (this.#sink.bufferedBytes > goodbyeBytes) this.#components.socket.terminate()',
        '',
      ],
    ],
  ),
  ...breaks(
    'src/stream/stream.ts',
    ['test/access/revocation.test.ts'],
    [['events begin after their token has ended', 'if (components.endings.has(grant)) throw ofEndedToken()', '']],
  ),
  ...breaks(
    'src/stream/event-stream.ts',
    ['test/access/revocation.test.ts'],
    [
      [
        'events outlive their token',
        'createExpiry(query.grant.expiresAt, now, () => void response.destroy())',
        'createExpiry(undefined, now, () => void response.destroy())',
      ],
    ],
  ),
  ...breaks(
    'src/stream/event-stream.ts',
    ['test/stream/events.test.ts'],
    [
      [
        'a position that is none ends an event stream for good',
        '!isForeign(error) && !(error instanceof InvalidCursor && query.lastEventId !== undefined)',
        '!isForeign(error)',
      ],
      [
        'a position that is none is taken wherever it stands',
        '(error instanceof InvalidCursor && query.lastEventId !== undefined)',
        '(error instanceof InvalidCursor)',
      ],
      [
        '`after` goes before what EventSource sends',
        "query.lastEventId ?? query.after ?? 'latest'",
        "query.after ?? query.lastEventId ?? 'latest'",
      ],
      [
        'an expired position is read from the oldest',
        'if (error instanceof CursorExpired) {',
        'if (error instanceof CursorExpired && query.lastEventId === position.toUpperCase()) {',
      ],
      ['a gap begins past its end', 'error instanceof CursorEpochMismatch ? position :', 'isForeign(error) ? position :'],
      ['a client that takes no events is kept', 'onTooSlow: () => void response.destroy()', 'onTooSlow: () => undefined'],
    ],
  ),
  ...breaks(
    'src/stream/durable-events.ts',
    ['test/stream/durable-events.test.ts'],
    [
      [
        'what was pruned is passed over in silence',
        'if (prunes !== undefined && prunes.topics.length > 0) {',
        'if (prunes === undefined) {',
      ],
      ['a connection lasts for ever', 'setTimeout(end, lastsMs)', 'setTimeout(() => undefined, lastsMs)'],
    ],
  ),
  ...breaks(
    'src/stream/outlet.ts',
    ['test/stream/outlet.test.ts', 'test/stream/stream.test.ts'],
    [
      ['a client that takes nothing is kept', 'setTimeout(onTooSlow, slowClientMs)', 'setTimeout(() => undefined, slowClientMs)'],
      ['each of many frames is a write', 'frames.push(typeof', 'this.#write(written)\n      frames.push(typeof'],
      [
        'many frames are sent to a client that does not read',
        'while (this.writable && sink.bufferedBytes + bytes <= ',
        'while (sink.isOpen || 0 === ',
      ],
      ['a client that has taken something has no more time', 'clearTimeout(this.#patience)', ''],
      ['a client is never writable again', 'this.#patience = undefined\n    onDrain()', 'onDrain()'],
      ['a client that takes nothing is written to', '!this.isBlocked && this.#components.sink.isOpen', 'this.#components.sink.isOpen'],
      [
        'a client that takes little is taken for one that takes nothing',
        'sink.bufferedBytes + frame.length > maxSocketBufferBytes',
        'sink.bufferedBytes + frame.length > 0',
      ],
    ],
  ),
  ...breaks(
    'src/stream/commands.ts',
    ['test/access/topic-rights.test.ts'],
    [['frames about other topics are allowed', 'requireTopics(client.grant, topics)', '']],
  ),
]

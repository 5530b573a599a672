import { breaks } from '../patch.ts'

/** Topics as streams of the Durable Streams protocol: offsets, pages and what caches keep. */
export const durableStreams = [
  ...breaks(
    'src/model/offset.ts',
    ['test/model/offset.test.ts'],
    [
      ['offsets do not sort as positions do', ".padStart(digits, '0')", ''],
      ['an offset forgets what was pruned', 'pruneCount === 0 ? [seq] : [seq, pruneCount]', '[seq]'],
      ['an offset is read without what was pruned', 'pruneCount === undefined ? undefined : Number(pruneCount)', 'undefined'],
      ['an offset has any digits', '`^(?:-1|now|${shape.source.slice(1, -1)})$`', "'^(?:-1|now|[A-Za-z0-9]{1,32}_[0-9_]+)$'"],
    ],
  ),
  ...breaks(
    'src/model/collapsing-cursor.ts',
    ['test/model/offset.test.ts'],
    [
      ['a client that waits again is answered by a cache', 'last + Math.max(1, Math.floor(jitterMs / intervalMs))', 'last'],
      ['a cursor that a client has made up is none', "/^\\d{1,15}$/.test(echoed ?? '')", 'echoed !== undefined'],
    ],
  ),
  ...breaks(
    'src/http/routes/durable-streams.ts',
    ['test/access/topic-rights.test.ts'],
    [['a stream is read without the right to its topic', '        topics: topicOfPath,\n', '']],
  ),
  ...breaks(
    'src/http/page-options.ts',
    ['test/http/durable-streams.test.ts'],
    [
      [
        'pages cost nothing',
        'pay: (units) => void rates.take({ grantId: grant.id, address: client.address }, units)',
        'pay: () => undefined',
      ],
      ['all clients share their long polls', 'client: keyOf({ grant, client }),', "client: '',"],
    ],
  ),
  ...breaks(
    'src/http/routes/durable-streams.ts',
    ['test/http/durable-streams.test.ts'],
    [
      ['a topic that is not there is an empty stream', '      await topics.require(topic)\n', ''],
      ['events cost nothing', 'options.pay(eventsCost)', ''],
      ['each page is the last', 'describe(reply, { next, upToDate: page.caughtUp })', 'describe(reply, { next, upToDate: true })'],
      [
        'a page that is not the last is read again',
        'if (!page.caughtUp) return formatOffset({ seq, ...rest })',
        'if (!page.caughtUp) return start ?? `-1`',
      ],
      ['an offset moves with other topics', "if (newest === undefined && start !== undefined && start !== '-1') return start\n", ''],
      ['the tail moves with other topics', 'formatOffset({ epoch, seq: newestIn(page) ?? seq })', 'formatOffset({ epoch, seq })'],
      ['a deleted message is passed again and again', '[...items, ...removed].map', '[...items, ...removed.slice(0, 0)].map'],
      [
        'a long poll waits beyond what was deleted',
        'page.items.length === 0 && page.removed.length === 0 && page.caughtUp',
        'page.items.length === 0 && page.caughtUp',
      ],
      ['an offset that was pruned is an error of another kind', 'error instanceof CursorExpired || ', ''],
      ['an offset of another log is an error of another kind', 'error instanceof CursorEpochMismatch || ', ''],
      ['an offset that is ahead is an error of another kind', ' || error instanceof CursorAhead', ''],
      ['a page that can grow is kept by caches', "page.caughtUp ? 'no-cache' : 'max-age=60'", "'max-age=60'"],
      ['a page without a place is kept by caches', 'if (!isNow) {', '{'],
      ['a page is kept for all clients', '`private, ${freshness}`', '`public, ${freshness}`'],
      ['a page of another client is the same', "vary: 'Origin, Authorization, Cookie'", "vary: 'Origin'"],
      ['a page that has grown is the one that a client has', ':${next}:${page.items.length}"`', '"`'],
    ],
  ),
]

import { breaks } from '../patch.ts'

/** What both databases do alike, and each in its own way. */
export const stores = [
  ...breaks(
    'src/store/shared/damage.ts',
    ['test/store/sqlite-store.test.ts'],
    [
      ['a damaged message is served', 'message: isSound ? message : undefined', 'message'],
      ['a damaged time is served', 'sumOf(message) === Number(row.sum) && ', ''],
      ['a step says nothing of damage', 'if (bySeq.size === 0) return', 'if (bySeq.size >= 0) return'],
    ],
  ),
  ...breaks(
    'src/store/shared/checksum.ts',
    ['test/store/sqlite-store.test.ts'],
    [
      ['data has no checksum', 'of [sequence, signature, publicKey, data])', 'of [sequence, signature, publicKey])'],
      ['a signature has no checksum', 'of [sequence, signature, publicKey, data])', 'of [sequence, publicKey, data])'],
      ['an author has no checksum', '${from}', ''],
    ],
  ),
  ...breaks(
    'src/store/shared/pattern-rows.ts',
    ['test/store/sqlite-scan.test.ts'],
    [['a step compares all rows with all patterns', 'Math.max(1, patterns / patternsAtOnce)', '1']],
  ),
  ...breaks(
    'src/store/sqlite/scan.ts',
    ['test/store/sqlite-store.test.ts'],
    [
      ['a damaged time hides its message', '(${sumIsWrong} OR ${times', '(${times'],
      ['a peer is offered what has a damaged time', 'if (wrong === 1) bad.push(Number(seq))', 'if (wrong === 2) bad.push(Number(seq))'],
    ],
  ),
  ...breaks(
    'src/store/sqlite/topic-condition.ts',
    ['test/store/sqlite-store.test.ts'],
    [
      ['a star matches dots', '(p.exact IS NULL OR pattern_matches(p.exact, ${column}))', 'true'],
      ['a class of characters is no text', ".replaceAll(/[[?]/g, '[$&]')", ''],
      ['a pattern of a query matches direct messages', "${column} <> '' AND EXISTS", 'EXISTS'],
    ],
  ),
  ...breaks(
    'src/store/sqlite/forgotten-topics.ts',
    ['test/store/sqlite-store.test.ts'],
    [
      ['what was pruned of a forgotten topic is not known', 'writer.run(raiseFloor, prunedThrough ?? 0, prunedAt ?? 0)', ''],
      [
        'a topic that comes again does not know what it had',
        `WHEN "emptySince" = 0 THEN max("prunedThrough",`,
        `WHEN false THEN max("prunedThrough",`,
      ],
      [
        'who reads by patterns is not told of forgotten topics',
        'filter.patterns.length > 0) return false',
        'filter.patterns.length > 0) return true',
      ],
      ['who reads several topics is told of forgotten ones only if none is there', '=== names.size', '> 0'],
    ],
  ),
  ...breaks(
    'src/store/sqlite/append.ts',
    ['test/store/sqlite-store.test.ts'],
    [['a new topic says that nothing was pruned of it', 'NULL, "forgottenThrough", "forgottenAt"', 'NULL, 0, 0']],
  ),
  ...breaks(
    'src/store/sqlite/append.ts',
    ['test/store/sqlite-store.test.ts'],
    [['a damaged time is that of all that comes', ' AND NOT ${sumIsWrong} ORDER BY', ' ORDER BY']],
  ),
  ...breaks(
    'src/store/sqlite/change-peers.ts',
    ['test/store/sqlite-store.test.ts'],
    [
      ['linked peers are forgotten', ' AND "peerId" NOT IN (SELECT value FROM json_each(?)) ORDER', ' AND ? IS NOT NULL ORDER'],
      ['labelled peers are forgotten', '"blocked" = false AND "label" IS NULL AND "peerId"', '"blocked" = false AND "peerId"'],
    ],
  ),
  ...breaks(
    'src/store/sqlite/delete-message.ts',
    ['test/store/sqlite-store.test.ts'],
    [
      ['a deleted message comes back', `writer.run('INSERT OR REPLACE INTO "SeenId" ("id", "seenAt") VALUES (?, ?)', id, now)`, ''],
      ['a deleted message leaves no place', 'writer.run(note, seq, id, topic, now)', ''],
      ['a deleted message counts', 'writer.run(countLess, topic, bytes, now)', ''],
    ],
  ),
  ...breaks(
    'src/store/postgres/functions.ts',
    ['test/store/postgres-store.test.ts'],
    [['a deleted message counts (PostgreSQL)', "${countLess('p_now')};", '']],
  ),
  ...breaks(
    'src/store/sqlite/damage.ts',
    ['test/store/sqlite-store.test.ts'],
    [
      ['a damaged message still counts for its topic', 'max(0, "messages" - 1)', '"messages"'],
      ['a damaged message stays', `writer.run('DELETE FROM "Message" WHERE "seq" = ?', seq)`, ''],
    ],
  ),
  ...breaks(
    'src/store/sqlite/prune.ts',
    ['test/store/sqlite-store.test.ts'],
    [
      ['a damaged time keeps everything behind it', '"storedAt" < ? - "age" OR ${sumIsWrong}', '"storedAt" < ? - "age"'],
      ['a damaged time has a message removed', 'if (wrong === 1 && query.through === undefined)', 'if (wrong === 2)'],
      ['a purge goes past its position', 'query.through ?? Number.MAX_SAFE_INTEGER', 'Number.MAX_SAFE_INTEGER'],
    ],
  ),
  ...breaks(
    'src/store/shared/unavailable.ts',
    ['test/store/broken-pages.test.ts'],
    [['a broken page is an unknown failure', 'if (damagedCodes.has(code)) return databaseDamaged(error)', '']],
  ),
  ...breaks(
    'src/store/sqlite/broken-pages.ts',
    ['test/store/sqlite-indexes.test.ts'],
    [
      ['an index that lacks rows stays', 'makeIndexesAnew(database)\n    return', 'return'],
      ['what came in twice keeps its index from being made', 'if (code !== constraintCode) throw error', 'throw error'],
    ],
  ),
  ...breaks(
    'src/store/postgres/log.ts',
    ['test/store/postgres-store.test.ts'],
    [['damage that another read takes out meanwhile is no gap', 'if (found.length < bad.length) return', 'if (found.length < 0) return']],
  ),
  ...breaks(
    'src/store/postgres/log.ts',
    ['test/store/postgres-served.test.ts'],
    [
      [
        'what other gateways appended is served without a mark',
        'if (newest !== undefined && newest.seq > served.tip(epoch)) noteServed(epoch, newest.seq)',
        '',
      ],
      ['an append names the log that was open before', 'return { epoch: String(appendedTo), previousTip', 'return { epoch, previousTip'],
    ],
  ),
  ...breaks(
    'src/store/shared/served-mark.ts',
    ['test/store/sqlite-epoch.test.ts'],
    [
      ['a torn line counts', 'return sum === checksum(`${epoch} ${tip}`) ?', 'return sum !== undefined ?'],
      ['marks of all logs share a line', 'end += lineBytes', ''],
      [
        'the marks begin anew at each start',
        'constants.O_RDWR | constants.O_CREAT',
        'constants.O_RDWR | constants.O_CREAT | constants.O_TRUNC',
      ],
    ],
  ),
  ...breaks(
    'src/store/sqlite/settle-epoch.ts',
    ['test/store/sqlite-epoch.test.ts'],
    [['a log that lost its tail keeps its epoch', "typeof stored === 'string' && tip >= served.tip(stored)", "typeof stored === 'string'"]],
  ),
  ...breaks(
    'src/store/postgres/token-changes.ts',
    ['test/store/postgres-tokens.test.ts', 'test/store/postgres-store.test.ts'],
    [
      [
        'gateways change tokens side by side',
        "await query(`SELECT pg_advisory_xact_lock(x'5065746b'::int, hashtext(current_schema()))`)",
        '',
      ],
      ['a key creates two tokens (PostgreSQL)', 'key !== undefined && (await isKeyTaken(', 'key === undefined && (await isKeyTaken('],
      ['other gateways are not told of a revoked token', 'if (removed.length > 0) await tell(query, { token: id })', ''],
      ['other gateways are not told of a session that has ended', 'if (removed.length > 0) await tell(query, { session: id })', ''],
      ['sessions outlive their token', `await query('DELETE FROM "Session" WHERE "holder" = $1', [id])`, ''],
    ],
  ),
  ...breaks(
    'src/store/sqlite/token-changes.ts',
    ['test/store/sqlite-store.test.ts'],
    [
      ['a token is added as the only one', "if (needsOther && !isFull(1)) return 'refused'", ''],
      ['tokens are not bounded', "if (max !== undefined && isFull(max) && !removeExpired(token.createdAt)) return 'full'", ''],
      ['a key creates two tokens (SQLite)', 'key !== undefined && isKeyTaken(', 'key === undefined && isKeyTaken('],
      ['a key is not noted with its token', 'if (key !== undefined) insertKey(', 'if (key === undefined) insertKey('],
      ['the last token that administers is removed', 'const isNeeded = keepsAdmin && ', 'const isNeeded = !keepsAdmin && '],
    ],
  ),
  ...breaks(
    'src/store/sqlite/keys.ts',
    ['test/store/sqlite-store.test.ts'],
    [
      [
        'a key that has expired is taken',
        `'SELECT 1 FROM "IdempotencyKey" WHERE "key" = ? AND "createdAt" >= ?', key, since)`,
        `'SELECT 1 FROM "IdempotencyKey" WHERE "key" = ?', key)`,
      ],
      [
        'a key that has expired answers',
        `SELECT "fingerprint", "items" FROM "IdempotencyKey" WHERE "key" = ? AND "createdAt" >= ?', key, since)`,
        `SELECT "fingerprint", "items" FROM "IdempotencyKey" WHERE "key" = ?', key)`,
      ],
      ['a key that has expired keeps what it stood for', 'INSERT OR REPLACE', 'INSERT OR IGNORE'],
      ['keys of other clients are counted', `WHERE "key" >= ? AND "key" < ? LIMIT ?)\``, `WHERE "key" >= ? AND "key" <> ? LIMIT ?)\``],
      ['keys are counted without end', 'LIMIT ?)`', 'LIMIT max(?, 1000))`'],
      [
        'messages are published again with their key',
        'keyed.filter(({ key, since }) => isKeyTaken(writer, key, since))',
        'keyed.slice(0, 0)',
      ],
      ['a key names the messages of the whole batch', 'entries.slice(first, first + count)', 'entries'],
    ],
  ),
  ...breaks(
    'src/store/postgres/keys.ts',
    ['test/store/postgres-store.test.ts'],
    [
      ['a key that has expired is taken (PostgreSQL)', ' AND "createdAt" >= $2\', [key, since]', "', [key]"],
      [
        'a key that is noted again keeps what it stood for (PostgreSQL)',
        '"fingerprint" = excluded."fingerprint", "items" = excluded."items", ',
        '',
      ],
      ['a key that is noted again keeps its age (PostgreSQL)', ', "createdAt" = excluded."createdAt"', ''],
      ['one key that is taken takes all with it', 'keys.includes(key)', 'keys.length > 0'],
      ['keys never expire (PostgreSQL)', 'keyed.map(({ since }) => since)', 'keyed.map(() => 0)'],
      ['a key is as old as what it may replace', 'keyed.map(({ createdAt }) => createdAt)', 'keyed.map(({ since }) => since)'],
      ['a key names the first messages of the batch', 'keyed.map(({ first }) => first)', 'keyed.map(() => 0)'],
      ['a key names one message', 'keyed.map(({ count }) => count)', 'keyed.map(() => 1)'],
      ['all keys have one fingerprint', "Buffer.from(fingerprint).toString('hex')),", "Buffer.of(fingerprint.length).toString('hex')),"],
    ],
  ),
  ...breaks(
    'src/store/shared/deliveries.ts',
    ['test/store/sqlite-store.test.ts'],
    [
      ['a key that has expired answers with its delivery', 'row.createdAt >= since', 'row.createdAt >= 0'],
      [
        'a key that has expired is never free',
        'await prisma().delivery.updateMany({ where: { id: row.id }, data: { idempotencyKey: null } })',
        '',
      ],
      [
        'a delivery that has ended ends again',
        "where: { id, state: 'queued' }, data })).count === 1",
        'where: { id }, data })).count === 1',
      ],
      ['the message of a delivery that has ended stays', 'updatedAt: now, envelope: nothing, ...', 'updatedAt: now, ...'],
      [
        'a recipient has two claims',
        'const free = { client, dueAt: { lte: now }, claimedUntil: { lte: now } }',
        'const free = { client, dueAt: { lte: now } }',
      ],
      [
        'a claim that another gateway took is renewed for a delivery',
        'where: { recipient, claimedBy: by }, data: { claimedUntil: until }',
        'where: { recipient }, data: { claimedUntil: until }',
      ],
      ['a damaged message is sent', 'checksumOfEnvelope(row.envelope) === row.checksum ? row.envelope : undefined', 'row.envelope'],
      ['a read of deliveries has any number of bytes', 'return sum > maxBytes', 'return sum < 0'],
      ['a delivery larger than a read is never sent', 'Math.max(1, over)', 'over'],
      [
        'what came before the release waits for ever',
        'if (more !== null) await makeDue(recipient, more.client, Number(more.createdAt))',
        'if (more === null) return',
      ],
      ['expired messages are sent', ', NOT: { expiresAt: { lte: now } }', ''],
      ['queued deliveries are forgotten', "updatedAt: { lt: before }, state: { not: 'queued' }", 'updatedAt: { lt: before }'],
    ],
  ),
]

import { breaks } from '../patch.ts'

const road = ['test/log/ingest.test.ts', 'test/log/ingest-remote.test.ts']
const order = 'test/log/ingest-order.test.ts'

/** What arrives, and how it is appended. */
export const log = [
  ...breaks(
    'src/log/appender.ts',
    ['test/stream/patterns.test.ts'],
    [['a connection is not told what it has published', 'item.stored?.(lowest, highest)', 'continue']],
  ),
  ...breaks('src/log/appender.ts', road, [
    [
      'nothing is appended before it is sent',
      "const { epoch, previousTip, entries: inOrder, takenKeys } = await traceShared('append', asked, messages.length, appending)",
      "await outbound.send(messages.map((message, index) => ({ ...message, seq: index + 1 })))\n      const { epoch, previousTip, entries: inOrder, takenKeys } = await traceShared('append', asked, messages.length, appending)",
    ],
    [
      'a taken idempotency key answers as if it had published',
      'if (item.key !== undefined && takenKeys.includes(item.key.key)) {',
      'if (item.key !== undefined && takenKeys.length < 0) {',
    ],
    [
      'a refused batch leaves its callers waiting',
      'metrics.refused(item.messages)\n        item.done.reject(error)',
      'metrics.refused(item.messages)',
    ],
  ]),
  ...breaks('src/log/appender.ts', [order], [['outcomes go to other messages', 'order.asTheyCame(inOrder)', 'inOrder']]),
  ...breaks(
    'src/log/batch-order.ts',
    ['test/log/batch-order.test.ts'],
    [
      ['a batch is stored as it came', 'if (mixed.size === 0)', 'if (mixed.size >= 0)'],
      ['own messages are moved', 'from === own || ', ''],
      ['direct messages are moved', ' || topic === directTopic', ''],
      ['drawn numbers give an order', 'if (place.sequence >= firstDrawn) continue', ''],
    ],
  ),
  ...breaks(
    'src/log/past-intake.ts',
    [...road, order],
    [
      ['a message of the past stays on its way', 'admission.settled(messages, entries)', ''],
      ['messages of the past are taken unjudged', "isLetIn: verdicts[index] === 'accept'", 'isLetIn: index >= 0'],
      ['messages of the past are taken without room', 'fits(messages) ? await store(messages) : undefined', 'await store(messages)'],
      [
        'messages of the past count as stored when the store refused them',
        'if (entries === undefined) return undefined',
        'if (entries === undefined) return { stored: wanted.length, known: 0, refused: 0 }',
      ],
    ],
  ),
  ...breaks(
    'src/log/past-intake.ts',
    ['test/log/ingest-order.test.ts'],
    [
      ['messages of the past do not wait for earlier ones', 'await Promise.all(turns.values())', ''],
      ['what is not let in is waited for', 'order.settled(judged.flatMap(({ isLetIn, message }) => (isLetIn ? [] : message.id)))', ''],
      ['what was fetched is waited for', 'order.settled(messages.map(({ id }) => id))', ''],
      [
        'messages of two peers wait for each other',
        'const first = await storeNow(now)\n    await Promise.all(turns.values())',
        'await Promise.all(turns.values())\n    const first = await storeNow(now)',
      ],
    ],
  ),
  ...breaks(
    'src/log/ingest.ts',
    ['test/log/ingest-order.test.ts'],
    [
      ['a live message does not wait for earlier ones', 'await order.turn(message, since)', ''],
      ['what has come live is waited for', '.finally(() => order.settled([messageId(message.from, message.sequence)]))', ''],
      ['announcements are not heard', "if (event.type === 'message:announced') order.expect(event.ids, event.peerId)", ''],
      ['messages wait beyond the end', 'order.stop()\n', ''],
    ],
  ),
  ...breaks(
    'src/log/expected.ts',
    ['test/log/author-order.test.ts'],
    [['a message waits though the log has the earlier one', 'found(ids.filter((id) => !unknown.has(id)))', 'void unknown']],
  ),
  ...breaks(
    'src/log/announcers.ts',
    ['test/log/author-order.test.ts'],
    [
      ['a peer may make anything expected', 'createShares({ max: maxExpected })', 'createShares({ max: maxExpected, share: 1 })'],
      ['one author has all places', 'share: authorShare', 'share: 1'],
      ['failures of one moment count each', 'latest.at > now - momentMs', 'latest.at > now'],
      ['any number of messages is waited for after all', '{ max: maxAwaited }', '{ max: maxExpected }'],
      ['one message that comes makes up for others', 'if (--failure.missing === 0)', 'if (--failure.missing >= 0)'],
    ],
  ),
  ...breaks(
    'src/log/author-order.ts',
    ['test/log/author-order.test.ts'],
    [
      ['what is named once more is waited for no longer', 'entry.until = until\n', ''],
      ['what is named once more ends first', 'expected.delete(id)\n    expected.set(id, entry)', ''],
      ['a message waits for ever', 'held.until <= now || ', ''],
      ['what a peer has not sent is waited for', 'withdraw(ids, by)\n    },', '},'],
      ['a peer that has not sent counts on', 'if (inVain.length > 0) announcers.failed(by, inVain)', ''],
      [
        'a peer that let others wait to the end counts on',
        'if (inVain) for (const peerId of missing.by) announcers.failed(peerId, [`${name}.${missing.sequence}`])',
        '',
      ],
      ['a peer that was only slow is trusted no more', 'announcers.came(all)', 'void all'],
      ['messages are let go as they came', 'author.held.splice(placeOf(author.held, held.sequence), 0,', 'author.held.push('],
      ['drawn numbers wait', 'held.sequence >= firstDrawn || ', ''],
      ['any number of bytes wait', 'if (refusal !== undefined) {', "if (refusal === 'share' && held.sequence < 0n) {"],
      ['an author beyond its share lets all go', "refusal === 'all' ? [...authors]", 'refusal.length > 0 ? [...authors]'],
      ['a message waits for those of its own page', 'if (!beside.has(`${name}.${entry.sequence}`)) return true', 'return true'],
      ['live messages are not held', 'if (isLive && holds.size > 0) return true', ''],
      ['fetched messages are held with the live ones', 'if (isLive && holds.size > 0) return true', 'if (holds.size > 0) return true'],
      [
        'a hold has no end',
        'const end = setTimeout(() => held[Symbol.dispose](), 2 * orderWaitMs)',
        'const end = setTimeout(() => undefined, 0)',
      ],
      [
        'a message waits for what is no longer expected',
        'if (until > now) break\n      over.push(id)',
        'if (until + now > 0) break\n      over.push(id)',
      ],
    ],
  ),
  ...breaks(
    'src/log/ingest.ts',
    [...road, order],
    [
      [
        'a direct message is acknowledged before it is stored',
        "return await store('foreign', from, messages)",
        "void store('foreign', from, messages)\n      return messages.map(() => ({ known: false }))",
      ],
      [
        'a direct message is acknowledged although the store refused it',
        "return await store('foreign', from, messages)",
        "return (await store('foreign', from, messages)) ?? messages.map(() => ({ known: false }))",
      ],
      ['a direct message is taken without room', 'if (!fits(from, messages.length, sizeOf(messages))) return undefined', ''],
      ['a stored message stays on its way', 'admission.settled([message], entries)', 'entries?.map(({ known }) => !known) ?? []'],
      [
        'a message of the network that has to wait for room is ignored',
        '(await inbox.pushWhenFits(item)) ? await item.done.promise : undefined',
        'inbox.fits(item) ? (inbox.push(item), await item.done.promise) : undefined',
      ],
      ['an engine is not told that there is no room', ', room: (from) => inbox.room(authorKey({ from }))', ''],
      [
        'another message under a known id is passed on',
        "if (Buffer.compare(entry.message.signature, signature) !== 0) return 'ignore'",
        '',
      ],
      ['what this gateway stored long ago is passed on again', 'storedAt > Math.max(startedAt, age() - newsMs)', 'storedAt > startedAt'],
      ['what was there before the start is passed on again', 'storedAt > Math.max(startedAt, age() - newsMs)', 'storedAt > age() - newsMs'],
      ['what this gateway has forwarded is forwarded again', '!own.has(seq)', 'true'],
      [
        'what another gateway of the database stored is not forwarded',
        "return isNew || (isFresh && !own.has(seq)) ? 'accept' : 'ignore'",
        "return isNew ? 'accept' : 'ignore'",
      ],
      ['what an append left uncertain is lost', 'outbound.send(lost).catch(', 'Promise.resolve().catch('],
      [
        'a stopped gateway publishes',
        "if (stopped) throw new Draining('This gateway is shutting down. Retry shortly.', { retryAfterMs })",
        '',
      ],
      ['a stop does not wait for what was taken in', 'await running\n      await outbound.stop()', 'await outbound.stop()'],
    ],
  ),
  ...breaks(
    'src/log/batch-queue.ts',
    ['test/log/batch-queue.test.ts'],
    [
      ['the inbox does not count messages', '|| !hasRoom(messages, item.holder, item.messages)', ''],
      ['the inbox does not count bytes', '|| !hasRoom(bytes, item.holder, item.bytes)', ''],
      ['the inbox never gives its places back', 'for (const place of places) place[Symbol.dispose]()', ''],
      ['the network fills the inbox', 'const foreignPart = 3 / 4', 'const foreignPart = 1'],
      ['what the network had is never free again', 'count(item, -1)', ''],
      ['a closed inbox takes more', 'if (closed || ', 'if ('],
      ['a batch has no limit', 'if (taken > 0 && sum + item.messages > limit) break', ''],
      ['a batch may be of nothing', 'if (taken > 0 && sum + item.messages > limit) break', 'if (sum + item.messages > limit) break'],
      ['whoever waits is not woken', 'count(item, 1)\n    wake?.()', 'count(item, 1)'],
      ['a closed inbox leaves its reader waiting', 'tellOfRoom()\n      wake?.()', 'tellOfRoom()'],
      ['what does not fit is not let in later', 'letIn()\n', ''],
      ['what comes later overtakes what waits', 'if (!waiting.has(item.holder) && fits(item)) {', 'if (fits(item)) {'],
      [
        'one holder has all turns',
        'settle(first, true)\n        isMore = true',
        'settle(first, true)\n        isMore = true\n        break',
      ],
      ['holders have one turn each', 'settle(first, true)\n        isMore = true', 'settle(first, true)'],
      ['what was let in waits on', 'queue?.delete(waiter)', ''],
      ['what is let in is not there', 'if (isIn) push(waiter.item)', ''],
      ['what waits is never given up', 'if (waiter.until <= now) settle(waiter, false)', 'void waiter'],
      ['what waits is given up at once', 'performance.now() + limits.validateTimeoutMs', 'performance.now()'],
      ['nobody looks at what waits', 'if (expiry === undefined) giveUp(performance.now())', ''],
      ['a closed inbox keeps what waits', 'giveUp(Number.POSITIVE_INFINITY)', ''],
      ['a closed inbox has one more wait', 'if (closed) return Promise.resolve(false)', ''],
      ['there is room while others wait', ' && !waiting.has(holder) && !isFull()) return undefined', ' && !isFull()) return undefined'],
      ['there is room in a full inbox', ' && !isFull()) return undefined', ') return undefined'],
      ['clients that fill the inbox leave room', 'if (messages.total >= maxInboxMessages || bytes.total >= maxInboxBytes) return true', ''],
      ['what waits for long leaves room', 'foreignMs <= promptMs && ', ''],
      ['what was there for long leaves no room for ever', 'foreign.messages === 0 || (foreignMs', '(foreignMs'],
      ['bytes of which few topics have as many leave room', ' && foreign.bytes <= limits.maxTopicInboxBytes * roomPart', ''],
      ['the network is not told of room', 'tellOfRoom()\n      return batch', 'return batch'],
    ],
  ),
  ...breaks(
    'src/log/author-quota.ts',
    ['test/log/ingest-remote.test.ts', 'test/direct/direct.test.ts'],
    [
      ['an author has a new quota with each message', 'pair.bytes += bytes', ''],
      ['an author has one quota for ever', 'pair.since <= at - hourMs', 'pair.since <= at - 1_000 * hourMs'],
    ],
  ),
  ...breaks(
    'src/log/passages.ts',
    ['test/log/ingest-order.test.ts'],
    [
      [
        'each copy of a message is judged',
        'passages.get(key) ?? {',
        '(passages.has(key) && message === undefined ? passages.get(key) : undefined) ?? {',
      ],
      ['a copy that was not stored as new costs nothing', 'passage.isNew ||= isNew', 'passage.isNew = isNew'],
      ['a passage ends with its first copy', 'if (--passage.copies > 0) return passage.isNew', 'passage.copies--'],
      ['what is refused stays on its way', 'if (!passage.isLetIn) leave(message, false)', ''],
      ['what was given up costs its author', 'if (passage.isLetIn && !passage.isNew) components.onLost(message)', ''],
      ['another message under an id has its verdict', " ${Buffer.from(signature).toString('latin1')}`", ' ${signature.length}`'],
      ['what waits to be stored is forgotten while it is fetched', 'for (const passage of joined) passage.copies++', ''],
      ['what waits to be stored stays on its way', 'for (const { message } of joined) leave(message, false)', ''],
    ],
  ),
  ...breaks('src/log/admission.ts', road, [
    [
      'a message over the limit is taken from the network',
      'if (message.data.length > maxMessageBytes || refused.has(id))',
      'if (refused.has(id))',
    ],
    [
      'a message that was refused is judged again at once',
      'if (message.data.length > maxMessageBytes || refused.has(id))',
      'if (message.data.length > maxMessageBytes)',
    ],
    ['an author brings as much as they like', "if (!quota.take(message.from, message.topic, message.data.length)) return 'ignore'", ''],
    ['what a validator refused is forgotten', 'if (given) refused.add(id)', 'if (given) void id'],
    [
      'what nobody judged is refused for good',
      'if (given) refused.add(id)\n    // No validator gave a verdict: the message may arrive again and be judged then.\n    else giveBack',
      'refused.add(id)\n    if (!given) giveBack',
    ],
    ['what nobody judged costs its author', 'else giveBack(message)', ''],
  ]),
  ...breaks('src/log/uncertain.ts', road, [['what was found again is sent each time', 'ownNotes.delete(id) || ', 'ownNotes.has(id) || ']]),
]

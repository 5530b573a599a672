import { breaks } from '../patch.ts'

const road = ['test/log/ingest.test.ts', 'test/log/ingest-remote.test.ts']

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
      "const { epoch, previousTip, entries, takenKeys } = await traceShared('append', asked, messages.length, appending)",
      "await outbound.send(messages.map((message, index) => ({ ...message, seq: index + 1 })))\n      const { epoch, previousTip, entries, takenKeys } = await traceShared('append', asked, messages.length, appending)",
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
  ...breaks('src/log/ingest.ts', road, [
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
    ['a repeated message costs its author', 'admission.giveBack([message], entries)', ''],
    [
      'a message of the past that was known costs its author',
      "const entries = await store('past', historyKey, wanted)\n    admission.giveBack(wanted, entries)",
      "const entries = await store('past', historyKey, wanted)",
    ],
    [
      'a message of the network that has to wait for room is ignored',
      '(await inbox.pushWhenFits(item)) ? await item.done.promise : undefined',
      'inbox.fits(item) ? (inbox.push(item), await item.done.promise) : undefined',
    ],
    ['an engine is not told that there is no room', ', room: (from) => inbox.room(authorKey({ from }))', ''],
    [
      'a page of the past that has no room costs its authors',
      'admission.giveBack(wanted, undefined)\n      return undefined',
      'return undefined',
    ],
    ['another message under a known id is passed on', "if (Buffer.compare(entry.message.signature, signature) !== 0) return 'ignore'", ''],
    ['what this gateway stored long ago is passed on again', 'storedAt > Math.max(startedAt, age() - newsMs)', 'storedAt > startedAt'],
    ['what was there before the start is passed on again', 'storedAt > Math.max(startedAt, age() - newsMs)', 'storedAt > age() - newsMs'],
    ['what this gateway has forwarded is forwarded again', '(isBrought || !own.has(seq))', 'true'],
    [
      'what another gateway of the database stored is not forwarded',
      "return !entry.known || (isFresh && (isBrought || !own.has(seq))) ? 'accept' : 'ignore'",
      "return !entry.known ? 'accept' : 'ignore'",
    ],
    ['messages of the past are taken unjudged', ".filter((_, index) => verdicts[index] === 'accept')", ''],
    ['messages of the past are taken without room', 'if (!fits(historyKey, wanted.length, sizeOf(wanted))) {', 'if (stopped) {'],
    [
      'messages of the past count as stored when the store refused them',
      'if (entries === undefined) return undefined\n    const stored',
      'if (entries === undefined) return { stored: wanted.length, known: 0, refused }\n    const stored',
    ],
    ['what an append left uncertain is lost', 'outbound.send(lost).catch(', 'Promise.resolve().catch('],
    [
      'a stopped gateway publishes',
      "if (stopped) throw new Draining('This gateway is shutting down. Retry shortly.', { retryAfterMs })",
      '',
    ],
    ['a stop does not wait for what was taken in', 'await running\n      await outbound.stop()', 'await outbound.stop()'],
  ]),
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
      'if (given) refused.add(id)\n      // No validator gave a verdict: the message may arrive again and be judged then.\n      else giveBack',
      'refused.add(id)\n      if (!given) giveBack',
    ],
    ['what nobody judged costs its author', 'else giveBack([message], undefined)', ''],
  ]),
  ...breaks('src/log/uncertain.ts', road, [['what was found again is sent each time', 'ownNotes.delete(id) || ', 'ownNotes.has(id) || ']]),
]

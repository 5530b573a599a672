import { breaks } from '../patch.ts'

const road = ['test/ingest.test.ts']

export const log = [
  ...breaks('src/ingest.ts', road, [
    [
      'nothing is appended before it is sent',
      "const { previousTip, entries, takenKeys } = await traceShared('append', asked, messages.length, appending)",
      "await outbound.send(messages.map((message, index) => ({ ...message, seq: index + 1 })))\n      const { previousTip, entries, takenKeys } = await traceShared('append', asked, messages.length, appending)",
    ],
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
    [
      'a message over the limit is taken from the network',
      'if (message.data.length > limits.maxMessageBytes || refusals.has(id))',
      'if (refusals.has(id))',
    ],
    [
      'a message that was refused is judged again at once',
      'if (message.data.length > limits.maxMessageBytes || refusals.has(id))',
      'if (message.data.length > limits.maxMessageBytes)',
    ],
    ['an author brings as much as they like', "if (!quota.take(message.from, message.topic, message.data.length)) return 'ignore'", ''],
    ['a repeated message costs its author', 'giveBack([message], entries)', ''],
    [
      'a message of the past that was known costs its author',
      "const entries = await store('past', historyKey, wanted)\n    giveBack(wanted, entries)",
      "const entries = await store('past', historyKey, wanted)",
    ],
    ['what a validator refused is forgotten', 'if (given) refusals.add(id)', 'if (given) void id'],
    ['what nobody judged is refused for good', 'if (given) refusals.add(id)', 'refusals.add(id)\n    if (given) void id'],
    ['what nobody judged costs its author', 'else giveBack([message], undefined)', ''],
    ['another message under a known id is passed on', "if (Buffer.compare(entry.message.signature, signature) !== 0) return 'ignore'", ''],
    ['what this gateway stored long ago is passed on again', 'receivedAt > Math.max(startedAt, now() - newsMs)', 'receivedAt > startedAt'],
    [
      'what was there before the start is passed on again',
      'receivedAt > Math.max(startedAt, now() - newsMs)',
      'receivedAt > now() - newsMs',
    ],
    ['what this gateway has forwarded is forwarded again', '(isFresh && !own.has(seq))', 'isFresh'],
    [
      'what another gateway of the database stored is not forwarded',
      "return !entry.known || (isFresh && !own.has(seq)) ? 'accept' : 'ignore'",
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
      'what was found again is sent each time',
      'messages.filter(({ id }) => uncertain.delete(id))',
      'messages.filter(({ id }) => uncertain.has(id))',
    ],
    [
      'a taken idempotency key answers as if it had published',
      'if (item.key !== undefined && takenKeys.includes(item.key.key)) {',
      'if (item.key !== undefined && takenKeys.length < 0) {',
    ],
    [
      'a stopped gateway publishes',
      "if (stopped) throw new Draining('This gateway is shutting down; publish again in a moment.', { retryAfterMs })",
      '',
    ],
    ['a stop does not wait for what was taken in', 'await running\n      await outbound.stop()', 'await outbound.stop()'],
    [
      'a refused batch leaves its callers waiting',
      'metrics.refused(item.messages)\n        item.done.reject(error)',
      'metrics.refused(item.messages)',
    ],
  ]),
  ...breaks(
    'src/inbox.ts',
    ['test/inbox.test.ts'],
    [
      ['the inbox does not count messages', '|| !hasRoom(messages, item.holder, item.messages)', ''],
      ['the inbox does not count bytes', '|| !hasRoom(bytes, item.holder, item.bytes)', ''],
      ['the inbox never gives its places back', 'for (const place of places) place[Symbol.dispose]()', ''],
      ['the network fills the inbox', 'const foreignPart = 3 / 4', 'const foreignPart = 1'],
      ['what the network had is never free again', 'count(item, -1)', ''],
      ['a closed inbox takes more', 'if (closed || ', 'if ('],
      ['a batch has no limit', 'if (taken > 0 && sum + item.messages > limit) break', ''],
      ['a batch may be of nothing', 'if (taken > 0 && sum + item.messages > limit) break', 'if (sum + item.messages > limit) break'],
      ['whoever waits is not woken', 'wake?.()\n    },\n    async take', '},\n    async take'],
    ],
  ),
  ...breaks(
    'src/author-quota.ts',
    ['test/ingest.test.ts', 'test/direct/direct.test.ts'],
    [
      ['an author has a new quota with each message', 'pair.bytes += bytes', ''],
      ['an author has one quota for ever', 'pair.since <= at - hourMs', 'pair.since <= at - 1_000 * hourMs'],
    ],
  ),
  ...breaks(
    'src/outbound.ts',
    ['test/outbound.test.ts', 'test/ingest.test.ts'],
    [
      ['the sent window is zero', 'recent[0].at <= now() - limits.sentWindowMs', 'recent[0].at <= now()'],
      ['the sent mark passes what waits', 'const mark = Math.min(settled, ...waiting.values())', 'const mark = settled'],
      ['the sent mark is not written', 'await log.markSent(engine.peerId, mark)', ''],
      ['what waits is overtaken by what is new', 'if (waiting.has(topic)) await flush(topic, (batch[0]?.seq ?? 1) - 1)', ''],
      [
        'messages of others are sent as ours',
        'return from === engine.peerId && topic !== directTopic && firstSeenAt === undefined',
        'return topic !== directTopic && firstSeenAt === undefined',
      ],
      [
        'direct messages to ourselves are sent to the network',
        'return from === engine.peerId && topic !== directTopic && firstSeenAt === undefined',
        'return from === engine.peerId && firstSeenAt === undefined',
      ],
      [
        'what a peer gave back is sent again',
        'return from === engine.peerId && topic !== directTopic && firstSeenAt === undefined',
        'return from === engine.peerId && topic !== directTopic',
      ],
      [
        'what the engine refused is not tried again',
        'waiting.set(topic, refused.seq - 1)\n        return',
        'return waiting.delete(topic) ? undefined : undefined',
      ],
      ['what waits never expires', 'since: now() - limits.unsentWindowMs,', ''],
      ['a start forgets what was not sent', 'settled = marked = await log.sentThrough(engine.peerId)', 'settled = marked = tip'],
      ['an engine that fails loses the messages', 'return messages.map(() => 0)', 'return messages.map(() => 1)'],
      [
        'a new subscriber is not noticed',
        "if (event.type !== 'topic:subscribe' || !waiting.has(event.topic)) return",
        'if (event.type) return',
      ],
    ],
  ),
  ...breaks(
    'src/own-numbers.ts',
    ['test/own-numbers.test.ts'],
    [
      ['a gap in own numbers is taken for own', 'return run !== undefined && seq <= run.last', 'return run !== undefined'],
      ['own numbers are kept for ever', 'if (runs.length > init.maxRuns) runs.shift()', ''],
      ['each own message is a run', 'if (newest !== undefined && newest.last + 1 === first) newest.last = last\n      else runs', 'runs'],
    ],
  ),
  ...breaks(
    'src/log-tail.ts',
    ['test/log-tail.test.ts'],
    [
      ['own messages come before those of others', 'if (waiting.length === 0 && previousTip === hub.tip) {', 'if (waiting.length === 0) {'],
      [
        'what others appended is read past our own',
        'const bounds = next === undefined ? {} : { through: next.previousTip }',
        'const bounds = {}',
      ],
      ['own messages are shown twice', 'const fresh = first.messages.filter(({ seq }) => seq > hub.tip)', 'const fresh = first.messages'],
      ['what was found is not told', 'onRead(messages)\n', ''],
      ['pruned messages at the end stop the tail', 'if (hub.tip < scanned) hub.append(scanned, [])', ''],
      ['one step is read and no more', 'if (!(await step()) && !wanted) return', 'await step()\n      return'],
      ['a notice as a reading ends is forgotten', 'if (wanted) run()', ''],
      ['a database that is away is asked without end', 'wanted = false\n        skip()', 'skip()'],
      ['a pruning elsewhere is not told', 'hub.prune(change.topic, change)', ''],
      ['another log goes on where the old one was', 'hub.start().then(onOtherLog,', 'Promise.resolve().then(onOtherLog,'],
      ['who is far behind reads everything', 'if (read * maxReadMessages > maxRingMessages || waiting.length > maxWaiting) skip()', ''],
      ['a failed reading blocks our own messages', 'wanted = false\n        skip()', 'wanted = false'],
    ],
  ),
  ...breaks(
    'src/publisher.ts',
    ['test/publisher.test.ts', 'test/http/publish.test.ts'],
    [
      ['a key publishes while it is publishing', 'if (inProgress.has(key.key)) {', 'if (inProgress.size < 0) {'],
      [
        'a key is free before its message is stored',
        'return { published: settle(published, key).finally(release) }',
        'release()\n      return { published: settle(published, key) }',
      ],
      ['a refused key stays taken', '} catch (error) {\n      release()\n      throw error', '} catch (error) {\n      throw error'],
      ['a failed key stays taken', 'settle(published, key).finally(release)', 'settle(published, key)'],
      [
        'a key publishes anything',
        'if (Buffer.compare(earlier.fingerprint, key.fingerprint) === 0) return',
        'if (earlier.fingerprint.length > 0) return',
      ],
      [
        'a key is everybody’s',
        'return { key: storedKey(idempotency), fingerprint: hash.digest() }',
        'return { key: idempotency.key, fingerprint: hash.digest() }',
      ],
      ['the fingerprint leaves the topic out', 'hash.update(lengths).update(name).update(data)', 'hash.update(data)'],
      [
        'a key that was taken elsewhere is an error',
        'const earlier = error instanceof KeyTaken ? await replay(key) : undefined',
        'const earlier = undefined',
      ],
      ['nobody is waited for', 'if (minRecipients > 0) await untilSubscribed(topic, minRecipients, waitMs, signal)', ''],
      [
        'a client that left publishes',
        'signal.throwIfAborted()\n    return ingest.publish(messages, { client, key })',
        'return ingest.publish(messages, { client, key })',
      ],
      ['a topic is not joined', 'await topics.ensureJoined(topic, client)', ''],
      ['any number is published at once', 'if (messages.length > maxPublishMessages) {', 'if (messages.length < 0) {'],
      ['an overloaded gateway publishes', 'checkSizes(request.messages)\n      load.check()', 'checkSizes(request.messages)'],
    ],
  ),
  ...breaks(
    'src/retention.ts',
    ['test/retention.test.ts'],
    [
      ['what is pruned stays in memory', 'hub.prune(topic, pruned)', ''],
      ['a stop does not stop a sweep', 'while (!stopped) {\n      const pruned', 'while (true) {\n      const pruned'],
      ['ids are forgotten early', 'idsBefore: now() - limits.seenWindowMs', 'idsBefore: now()'],
      ['idempotency keys are forgotten early', 'keysBefore: now() - idempotencyWindowMs', 'keysBefore: now()'],
    ],
  ),
  ...breaks(
    'src/history.ts',
    ['test/history.test.ts', 'test/http/messages.test.ts'],
    [
      ['a cursor of another log is read', 'if (epoch !== current)', 'if (epoch === undefined)'],
      ['a cursor past the tip is read', 'if (seq > ends.tip) throw', 'if (seq < 0) throw'],
      ['a cursor whose messages were pruned is read', 'if (seq < ends.prunedThrough) throw', 'if (seq < 0) throw'],
      [
        'any number of clients wait for messages',
        'using place = longPolls.take(options.client)',
        'using place = longPolls.hold(options.client, 1)',
      ],
    ],
  ),
  ...breaks(
    'src/store/prisma-store/postgres/log.ts',
    ['test/store/postgres-served.test.ts'],
    [
      [
        'what other gateways appended is served without a mark',
        'if (newest !== undefined && newest.seq > served.tip(epoch)) noteServed(newest.seq)',
        '',
      ],
    ],
  ),
  ...breaks(
    'src/store/prisma-store/served-mark.ts',
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
    'src/store/prisma-store/sqlite/settle-epoch.ts',
    ['test/store/sqlite-epoch.test.ts'],
    [['a log that lost its tail keeps its epoch', "typeof stored === 'string' && tip >= served.tip(stored)", "typeof stored === 'string'"]],
  ),
]

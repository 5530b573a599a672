import { breaks } from '../patch.ts'

/** How the log is read, and what retention takes from it. */
export const logReading = [
  ...breaks(
    'src/log/pattern-index.ts',
    ['test/log/pattern-index.test.ts'],
    [
      ['what only looks alike is found', 'if (covers(pattern, topic)) for', 'for'],
      ['a star is not looked for', "[level, '*', '>']", "[level, '>']"],
      ['no branches grow', 'if (node.patterns.size > maxUnsorted && node.branches', 'if (maxUnsorted < 0 && node.branches'],
      ['a pattern that ends at a branch is lost', 'node.patterns.set(pattern, followers)\n      continue', 'continue'],
    ],
  ),
  ...breaks(
    'src/log/hub.ts',
    ['test/log/hub.test.ts'],
    [
      ['a deleted message stays in memory', 'else if (seq > ring.floor) ring.reset(ring.tip)', ''],
      ['a deleted message is read by a read that had begun', 'return deleted.size === 0 ? step : ', 'return deleted.size >= 0 ? step : '],
      ['a message that was deleted before it arrived is read', 'if (seq > ring.tip) deletedAhead.add(seq)', 'if (seq > ring.tip) return'],
    ],
  ),
  ...breaks(
    'src/log/tail.ts',
    ['test/log/tail.test.ts'],
    [
      [
        'what others append is shown without its damage',
        'if (removed.length === 0) hub.append(after, messages)',
        'hub.append(after, messages)',
      ],
    ],
  ),
  ...breaks(
    'src/log/tail.ts',
    ['test/log/tail.test.ts'],
    [
      ['own messages come before those of others', 'if (waiting.length === 0 && previousTip === hub.tip) {', 'if (waiting.length === 0) {'],
      [
        'what others appended is read past our own',
        'const bounds = next === undefined ? {} : { through: next.previousTip }',
        'const bounds = {}',
      ],
      ['own messages are shown twice', 'const fresh = first.messages.filter(({ seq }) => seq > hub.tip)', 'const fresh = first.messages'],
      ['what was found is not told', 'reads.tell(messages)\n', ''],
      ['pruned messages at the end stop the tail', 'if (hub.tip < scanned) hub.append(scanned, [])', ''],
      ['one step is read and no more', 'if (!(await step())) return', 'await step()\n      return'],
      ['a pruning elsewhere is not told', 'hub.prune(change.topic, change)', ''],
      ['a deletion elsewhere is not told', 'hub.delete(change.seq)', ''],
      ['a deletion whose notice was lost stays in memory', 'hub.forget()', ''],
      ['another log goes on where the old one was', 'hub.start().then(resets.tell,', 'Promise.resolve().then(resets.tell,'],
      ['who is far behind reads everything', 'if (read * maxReadMessages > maxRingMessages || waiting.length > maxWaiting) skip()', ''],
      ['a failed reading blocks our own messages', "appended')\n      skip()", "appended')"],
    ],
  ),
  ...breaks('src/log/retention.ts', ['test/log/deletion.test.ts'], [['what is deleted stays in the hub', 'hub.delete(deleted.seq)', '']]),
  ...breaks(
    'src/log/retention.ts',
    ['test/log/retention.test.ts'],
    [
      ['what is pruned stays in memory', 'hub.prune(topic, pruned)', ''],
      ['a stop does not stop a sweep', 'while (!stopped) {\n      const pruned', 'while (true) {\n      const pruned'],
      ['ids are forgotten early', 'idsBefore: now() - limits.seenWindowMs', 'idsBefore: now()'],
      ['idempotency keys are forgotten early', 'keysBefore: now() - idempotencyWindowMs', 'keysBefore: now()'],
      ['topics are forgotten early', 'emptyBefore: now() - limits.topicKeptMs', 'emptyBefore: now()'],
      ['topics are never forgotten', 'await log.forgetTopics(surplus)', '0'],
      ['peers are never forgotten', 'if (!stopped) await peers.sweep()', ''],
    ],
  ),
  ...breaks(
    'src/log/matches-until.ts',
    ['test/log/matches-until.test.ts'],
    [
      ['what comes later may be before a position', 'endsInLog || ', ''],
      ['what comes later may be of no time', 'since >= until || ', ''],
      ['what comes later may have come before', '? 0 : until', '? 0 : Number.POSITIVE_INFINITY'],
      ['the end of the log ends what may come', " && before !== 'latest'", ''],
      ['what comes later may be of no kind', ' || !kindsOf(topics, to).some((each) => kind === undefined || kind === each)', ''],
      ['messages of topics have a recipient', 'hasTopics && to === undefined', 'hasTopics'],
      ['direct messages are of every topic', 'topics === undefined || matchesTopic(topics, directTopic)', 'topics !== null'],
      ['direct messages are of a topic', '.some((topic) => topic !== directTopic)', '.length > 0'],
    ],
  ),
  ...breaks(
    'src/log/positions.ts',
    ['test/log/history.test.ts', 'test/http/messages.test.ts'],
    [
      ['a cursor of another log is read', 'if (epoch !== ends.epoch)', 'if (epoch === undefined)'],
      ['a cursor past the tip is read', 'if (seq > newest(ends.tip)) throw', 'if (seq < 0) throw'],
      ['a cursor whose messages were pruned is read', 'if (seq < ends.prunedThrough) throw', 'if (seq < 0) throw'],
    ],
  ),
  ...breaks(
    'src/log/row-budget.ts',
    ['test/log/history.test.ts'],
    [['a request scans the whole log', 'if (taken >= maxPageRows) return false', '']],
  ),
  ...breaks(
    'src/log/history.ts',
    ['test/log/history.test.ts', 'test/http/messages.test.ts'],
    [
      ['a wait for what can never come takes its time', 'Math.min(query.waitMs, matchesUntil(query) - now())', 'query.waitMs'],
      ['a client that has left waits on', 'if (deadline.signal.aborted) wake()', ''],
      ['a part of a topic counts as all of it', "isEnd(query.after, 'earliest')", 'true'],
      [
        'any number of clients wait for messages',
        'using place = longPolls.take(options.client)',
        'using place = longPolls.hold(options.client, 1)',
      ],
    ],
  ),
  ...breaks(
    'src/log/feeds.ts',
    ['test/log/feeds.test.ts', 'test/log/feeds-changes.test.ts'],
    [
      ['the first message that a straggler missed is not fed', 'found.map(({ seq }) => seq - 1)', 'found.map(({ seq }) => seq)'],
      ['a straggler is fed from the last message that it missed', 'Math.min(...found.map', 'Math.max(...found.map'],
      [
        'what a straggler missed and is not there any more is taken for handed',
        '...(found.length < ids.size ? [marked()] : [])',
        '...(found.length === 0 ? [marked()] : [])',
      ],
      ['a straggler that misses more is fed from there on', 'Math.min(straggler.after ?? since, since)', 'since'],
      ['what a straggler missed is forgotten when it is not found at once', 'straggler.missed.push(...missed)', ''],
      ['a straggler has one turn and no more', 'if (isFeeding) later(feedNext)', ''],
      [
        'what is new waits for all stragglers',
        'isFeeding = due.size > 0\n      if (isFeeding) later(feedNext)',
        'if (due.size > 0) await feedNext()\n      isFeeding = false',
      ],
      ['a straggler without room is read for', 'if (!hasRoom && straggler.missed.length === 0 &&', 'if (due.size < 0 &&'],
      ['what waits does not go to a straggler', 'straggler.after = Math.min(straggler.after ?? after, after)', 'void after'],
      ['what waits takes a straggler ahead', 'straggler.after = Math.min(straggler.after ?? after, after)', 'straggler.after = after'],
      [
        'what waits is sent although all subscribers are behind',
        'return subscribers.length === 0 || !subscribers.every((peerId) => stragglers.has(peerId))',
        'return true',
      ],
      ['who left while it was fed is settled when it comes back', ' || stragglers.get(peerId) !== straggler) return', ') return'],
      ['what is too old for a straggler without room is kept for it', ' && (straggler.oldestAt ?? 0) >= storedSince) return', ') return'],
      ['a straggler is fed everything at once', 'hasRoom ? feedMessages : 1', 'hasRoom ? limits.maxReadMessages : 1'],
      ['a straggler is fed what is too old', 'storedSince,\n    })', '})'],
      ['a straggler is fed its own messages', 'message.from !== peerId && isToFeed(message)', 'isToFeed(message)'],
      ['what a straggler has no room for is left out', 'oldest === undefined ? step.scanned : oldest.seq - 1', 'step.scanned'],
      ['the first that a straggler has no room for is left out', 'step.scanned : oldest.seq - 1', 'step.scanned : oldest.seq'],
      ['a straggler without room is taken for one that has everything', 'if (oldest !== undefined || stragglers', 'if (stragglers'],
      ['a straggler is settled after its first step', 'if (step.scanned >= tip && network', 'if (network'],
      [
        'a straggler is settled although more was kept from it',
        'network.stragglers.settle(peerId)',
        '(network.stragglers.settle(peerId) || true)',
      ],
      ['a straggler is fed one step', 'else feedLater(peerId)', ''],
      [
        'what a straggler has just missed does not hold the sent mark',
        'missed.length > 0 ? marked() : (after ?? marked())',
        'after ?? marked()',
      ],
      ['a straggler that was fed holds the sent mark where it was', 'missed.length > 0 ? marked() : (after ?? marked())', 'marked()'],
    ],
  ),
]

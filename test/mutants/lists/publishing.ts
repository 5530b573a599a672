import { breaks } from '../patch.ts'

/** What leaves: accepted, sent, and sent again. */
export const publishing = [
  ...breaks(
    'src/log/network-outbound.ts',
    ['test/log/outbound.test.ts', 'test/log/feeds.test.ts', 'test/log/feeds-changes.test.ts', 'test/log/ingest.test.ts'],
    [
      ['the sent window is zero', 'recent[0].at <= age() - limits.sentWindowMs', 'recent[0].at <= age()'],
      ['the sent mark passes what waits', 'Math.min(settled, ...waiting.values(), ...behind,', 'Math.min(settled, ...behind,'],
      ['the sent mark passes what has not left', ', ...behind, await unsentPlace())', ', ...behind)'],
      ['the sent mark is not written', 'await mark.raise(through)', ''],
      ['what is new overtakes what waits for a subscriber that has just come', 'due.filter(({ topic }) => !waiting.has(topic))', 'due'],
      ['what waits is overtaken by what is new', 'if (waiting.has(topic)) await flush(topic, (batch[0]?.seq ?? 1) - 1).catch(warn)', ''],
      [
        'what the engine refused is not tried again',
        'waiting.set(topic, refused.seq - 1)\n        return',
        'return waiting.delete(topic) ? undefined : undefined',
      ],
      ['what waits never expires', 'storedSince: settledAge() - limits.unsentWindowMs,\n      ...(author', '...(author'],
      ['a start forgets what was not sent', 'settled = marked = await mark.read()', 'settled = marked = tip'],
      [
        'an engine that fails loses the messages',
        'return { recipients: [], unwanted: messages }',
        'return { recipients: [], unwanted: [] }',
      ],
      ['a new subscriber is not noticed', 'if (waiting.has(event.topic)) later', 'if (waiting.size < 0) later'],
    ],
  ),
  ...breaks(
    'src/log/network-outbound.ts',
    ['test/log/outbound.test.ts', 'test/log/feeds.test.ts', 'test/log/feeds-changes.test.ts'],
    [
      [
        'a subscriber without room has its messages wait for another',
        '.length > 0 ? topic : undefined)',
        '.length > 0 ? undefined : undefined)',
      ],
      ['a peer that is behind is not noted', "case 'peer:behind':\n        feeds.note(event.peerId, event.since)", "case 'peer:behind':"],
      ['room is not noticed', "case 'peer:room':\n        feeds.feed(event.peerId)", "case 'peer:room':"],
      ['what cannot be read is lost with what is new', '(batch[0]?.seq ?? 1) - 1).catch(warn)', '(batch[0]?.seq ?? 1) - 1)'],
      ['a subscriber that comes while something is sent misses it', '|| joined.has(topic))', ')'],
      ['a straggler whose room nobody tells of is not fed', 'feeds.feedAll()\n', ''],
      [
        'a straggler does not hold the sent mark',
        'Math.min(settled, ...waiting.values(), ...behind, await',
        'Math.min(settled, ...waiting.values(), await',
      ],
      ['who has left does not hold the sent mark', 'feeds.positions(left.map(({ straggler }) => straggler))', 'feeds.positions([])'],
      ['who has left is still fed', 'feeds.drop(event.peerId)\n', ''],
      ['what is left waits for the next tick', 'later(inherit)\n', ''],
      ['what is left is looked after once', 'await inherit()\n    feeds', 'feeds'],
      ['what is left is sent again and again', 'left.splice(left.indexOf(gone), 1)', ''],
      [
        'what is left waits although others are there',
        '.length === 0) waiting.set(topic, Math.min',
        '.length >= 0) waiting.set(topic, Math.min',
      ],
      ['what waits is forgotten for what is left', 'Math.min(waiting.get(topic) ?? after, after)', 'after'],
    ],
  ),
  ...breaks(
    'src/log/network-outbound.ts',
    ['test/log/network-counts.test.ts'],
    [
      ['what waited is given up though it was taken', 'waiting.delete(topic)\n    counts.waited(topic)', 'waiting.delete(topic)'],
      ['what waited before a restart is not counted', 'counts.wait(step.messages)', ''],
      ['what waits is not counted', 'counts.wait(due.filter(({ topic, seq }) => seq > (waiting.get(topic) ?? seq)))', ''],
      ['messages that waited in vain are not counted', 'counts.giveUp(topic, first?.storedAt)\n', '\n'],
    ],
  ),
  ...breaks(
    'src/log/network-counts.ts',
    ['test/log/network-counts.test.ts'],
    [
      ['own messages are counted as those of others', 'else if (message.from !== peerId) bridged++', 'else bridged++'],
      ['what is too large is counted as handed over', 'givenUp.too_large++', 'bridged++'],
      ['what waits is counted as handed over', 'if (waits.has(message)) return', ''],
      ['what was handed over is too large', 'recipients[index] === 0 && network', 'network'],
      ['the groups of a topic are not limited', ' || groups.length >= maxGroups)', ')'],
      ['a group is given up before its last message is due', 'groups[0].last < storedBefore', 'true'],
      ['what is taken is the whole first group', 'Math.min(left, groups[0].count)', 'groups[0].count'],
      ['a group keeps the time of its first message', 'group.last = Math.max(group.last, storedAt)', ''],
    ],
  ),
  ...breaks(
    'src/log/outbound.ts',
    ['test/log/outbound.test.ts', 'test/log/ingest.test.ts'],
    [
      ['messages of others are sent as ours', '(message.from === peerId ? isNew(message) : crosses(message, network))', 'isNew(message)'],
      ['direct messages to ourselves are sent to the network', 'message.topic !== directTopic && (message.from', '(message.from'],
      ['what a peer gave back is sent again', 'return firstSeenAt === undefined', 'return true'],
    ],
  ),
  ...breaks(
    'src/log/own-seqs.ts',
    ['test/log/own-seqs.test.ts'],
    [
      ['a gap in own numbers is taken for own', 'return run !== undefined && seq <= run.last', 'return run !== undefined'],
      ['own numbers are kept for ever', 'if (runs.length > init.maxRuns) runs.shift()', ''],
      ['each own message is a run', 'if (newest !== undefined && newest.last + 1 === first) newest.last = last\n      else runs', 'runs'],
    ],
  ),
  ...breaks(
    'src/publish/publisher.ts',
    ['test/publish/publisher.test.ts', 'test/http/publish.test.ts'],
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
        'if (Buffer.compare(earlier.fingerprint, key.fingerprint) !== 0)',
        'if (earlier.fingerprint.length === 0)',
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
        'signal.throwIfAborted()\n    return ingest.publish(messages, { client, key, stored })',
        'return ingest.publish(messages, { client, key, stored })',
      ],
      ['a topic is not joined', 'await topics.joinIfRoom(topic, client)', ''],
      ['any number is published at once', 'if (messages.length > maxPublishMessages) {', 'if (messages.length < 0) {'],
      ['an overloaded gateway publishes', 'checkSizes(request)\n      load.check()', 'checkSizes(request)'],
    ],
  ),
  ...breaks(
    'src/publish/publisher.ts',
    ['test/publish/publisher.test.ts'],
    [
      [
        'one client has all places of keys that publish',
        'const place = openKeys.take(request.client)',
        'const place = openKeys.hold(request.client, openKeys.total < 8 ? 1 : 0)',
      ],
      ['a key that has published keeps its place', 'place[Symbol.dispose]()', ''],
      ['a client that has left is waited for with its peers', 'if (limit.signal.aborted) changed.cancel()', ''],
    ],
  ),
]

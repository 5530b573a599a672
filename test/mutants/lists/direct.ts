import { breaks } from '../patch.ts'

const tests = ['test/direct/direct-inbox.test.ts', 'test/direct/direct.test.ts']

export const direct = [
  ...breaks(
    'src/lib/back-off.ts',
    ['test/direct/carrier.test.ts'],
    [
      ['pauses grow without end', ', range.lastMs)', ', Number.MAX_SAFE_INTEGER)'],
      ['pauses have no jitter', '(1 + random())', '2'],
    ],
  ),
  ...breaks(
    'src/direct/courier.ts',
    ['test/direct/carrier.test.ts'],
    [['a damaged delivery holds up what is behind it', 'if (await store.end(id, end)) await tell(id)', 'await tell(id)']],
  ),
  ...breaks('src/direct/direct-inbox.ts', tests, [
    [
      'a direct message is acknowledged before its transaction',
      'await ingest.takeDirect(messages.map((each) => ({ ...each, topic: directTopic, ...times })))',
      '(void ingest.takeDirect(messages.map((each) => ({ ...each, topic: directTopic, ...times }))), [])',
    ],
    [
      'a direct message is acknowledged that the store refused',
      'const kept = entries === undefined ? directStatus.later : directStatus.kept',
      'const kept = directStatus.kept',
    ],
    ['what was not kept costs its author', 'giveBack(messages, from, entries)', ''],
    [
      'a message to somebody else is kept',
      'if (message?.to !== engine.peerId) return directStatus.invalid',
      'if (message === undefined) return directStatus.invalid',
    ],
    ['a blocked author is welcome', 'if (record?.blocked === true) return false', ''],
    ['everybody is known', "typeof record?.label === 'string'", 'true'],
    ['senders are not looked at', 'if (!(await isWelcome(message.from))) return directStatus.refused', ''],
    ['a direct message has any size', 'if (message.data.length > limits.maxMessageBytes) return directStatus.tooLarge', ''],
    [
      'what comes behind one that waits overtakes it',
      'examined.includes(directStatus.later) ? directStatus.later : await examine(envelope, from)',
      'await examine(envelope, from)',
    ],
    ['a peer brings as much as it likes', 'if (!carriers.take(carrier, directTopic, data.length)) return false', ''],
    [
      'an author sends as much as they like',
      'if (authors.take(from, directTopic, data.length)) return true',
      'if (data.length >= 0) return true',
    ],
    [
      'what its author may not send costs the peer that brings it',
      'carriers.giveBack(carrier, directTopic, data.length)\n    return false',
      'return false',
    ],
    ['what was known costs its author', 'entries?.[index]?.known === false', 'entries?.[index] !== undefined'],
    [
      'our own messages to ourselves count',
      'return message.from === engine.peerId || isWithinQuota(message, carrier)',
      'return isWithinQuota(message, carrier)',
    ],
  ]),
  ...breaks('src/direct/direct-protocol.ts', tests, [['a request brings any number of envelopes', '.max(maxDirectBatch)', '']]),
  ...breaks(
    'src/direct/deliveries.ts',
    ['test/direct/deliveries.test.ts', 'test/direct/direct.test.ts'],
    [
      ['a direct message of any size is queued', 'if (data.length > maxMessageBytes) {', 'if (data.length < 0) {'],
      ['a delivery never expires', 'if (expiresInMs < 1 || expiresInMs > maxDeliveryMs) {', 'if (expiresInMs < 1) {'],
      [
        'the outbox has no bound in number',
        'queued.deliveries.refusal(client) ?? queued.bytes.refusal(client, bytes)',
        'queued.bytes.refusal(client, bytes)',
      ],
      [
        'the outbox has no bound in bytes',
        'queued.deliveries.refusal(client) ?? queued.bytes.refusal(client, bytes)',
        'queued.deliveries.refusal(client)',
      ],
      [
        'a key sends anything',
        'if (key !== undefined && Buffer.compare(fingerprint, key.fingerprint) !== 0)',
        'if (key !== undefined && fingerprint === undefined)',
      ],
      ['a key has one sender', 'key: storedKey(idempotency)', 'key: idempotency.key'],
      ['what was cancelled before is told again', 'if (ended) changes.tell(delivery)', 'changes.tell(delivery)'],
    ],
  ),
  ...breaks(
    'src/direct/carrier.ts',
    ['test/direct/carrier.test.ts'],
    [
      [
        'another gateway carries the same recipient',
        '(await store.renew({ by, recipient, until: now() + claimMs }))) {',
        '(await store.renew({ by, recipient, until: now() + claimMs })) !== undefined) {',
      ],
      ['a failed delivery is tried without a pause', 'dueAt: now() + pauseMs', 'dueAt: now()'],
      ['a recipient that hangs up is tried at once', 'if (problem.wasReached) notNews(recipient, pauseMs)', ''],
      ['a recipient that appears waits', 'courier.arrived(peerId)\n        appeared(peerId)', 'Promise.resolve()'],
      ['a dial goes on although the recipient is there', 'courier.arrived(peerId)\n', ''],
      ['pauses of a delivery do not grow', 'backOffMs(range, await store.attempts(recipient), random)', 'backOffMs(range, 0, random)'],
      [
        'a stop keeps the recipient from other gateways',
        'if (stopping.signal.aborted) await store.renew({ by, recipient, until: now() })',
        '',
      ],
      ['a stop counts as a failure', 'if (stopping.signal.aborted) break', ''],
      ['a recipient is held when nothing waits for it', 'return await store.release({ by, recipient })', 'return'],
      ['the first is blamed for what another one got', 'const id = problem.id ?? first.id', 'const id = first.id'],
    ],
  ),
  ...breaks(
    'src/direct/courier.ts',
    ['test/direct/carrier.test.ts'],
    [
      [
        'a missing status ends a delivery',
        'const end = status === undefined ? undefined : ends.get(status)',
        'const end = ends.get(status ?? directStatus.kept)',
      ],
      [
        'later is delivered',
        'const end = status === undefined ? undefined : ends.get(status)',
        'const end = status === undefined ? undefined : (ends.get(status) ?? ends.get(0))',
      ],
      [
        'a stop waits for a recipient that is silent',
        'createDeadline(init.deliveryTimeoutMs, [options.signal])',
        'createDeadline(init.deliveryTimeoutMs, [])',
      ],
      ['a stop waits for a dial', '[stopping, dialling.signal]', '[dialling.signal]'],
    ],
  ),
]

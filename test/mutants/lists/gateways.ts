import { breaks } from '../patch.ts'

export const gateways = [
  ...breaks(
    'src/services/services.ts',
    ['test/services/parts.test.ts', 'test/services/services.test.ts'],
    [
      [
        'anybody speaks for somebody else',
        'if (isForwarded && (await others(({ peerId }) => peerId === from)).length === 0)',
        'if (isForwarded && from === undefined)',
      ],
      [
        'a forwarded request is forwarded again',
        'if (isForwarded || registry.services.includes(service))',
        'if (registry.services.includes(service))',
      ],
      [
        'a peer decides how long its request is worked on',
        'const timeoutMs = Math.min(request.timeoutMs, limits.requestTimeoutMs)',
        'const timeoutMs = request.timeoutMs',
      ],
      ['a request has any size', 'if (data.length > limits.maxMessageBytes)', 'if (data.length < 0)'],
      ['who asked is not said', 'const author = request.from ?? from', 'const author = from'],
      ['any number of requests go to one peer at once', 'max: limits.maxRequestsToPeer,', 'max: 1_000_000,'],
    ],
  ),
  ...breaks(
    'src/services/service-registry.ts',
    ['test/services/service-registry.test.ts', 'test/services/services.test.ts'],
    [
      ['anybody answers a request', 'if (entry?.offer.server !== server)\n', 'if (entry === undefined)\n'],
      ['a server is asked more than it takes', 'if (offer.open < offer.concurrency && ', 'if ('],
      [
        'a connection serves any number',
        'if (servedBy(server).length >= limits.maxServicesPerConnection)',
        'if (servedBy(server).length < 0)',
      ],
    ],
  ),
  ...breaks(
    'src/services/service-queue.ts',
    ['test/services/service-registry.test.ts', 'test/services/services.test.ts'],
    [['a queue has no end', 'const place = queue.places.take(asker)', 'const place = queue.places.hold(asker, 1)']],
  ),
  ...breaks(
    'src/validation/validators.ts',
    ['test/validation/parts.test.ts', 'test/validation/validators.test.ts'],
    [
      ['anybody has messages judged', 'admits: (from) => lastKnown.some(({ peerId }) => peerId === from),', ''],
      [
        'messages of gateways of the database are judged',
        'if (from === engine.peerId || siblings.some(({ peerId }) => peerId === from)) return unjudged',
        '',
      ],
      [
        'what is in the log is judged again',
        'if ((await messages.unknown([messageId(from, message.sequence)])).length === 0) return unjudged',
        '',
      ],
      [
        'other gateways are not asked',
        'const there = elsewhere.map(({ gateway, registration }) => judgeThere(gateway, registration, message))',
        'const there: Promise<Judgement>[] = []',
      ],
      ['clients here are not asked', '[...(isHere ? [judgeHere(message)] : []), ...there]', 'there'],
      ['messages of a topic overtake each other', 'await turn\n', ''],
      [
        'another signature has the verdict of the first',
        "${messageId(message.from, message.sequence)} ${Buffer.from(message.signature).toString('base64')}",
        '${messageId(message.from, message.sequence)}',
      ],
      ['a verdict that nobody gave is remembered', 'if (!given) remembered.delete(key)', ''],
    ],
  ),
  ...breaks(
    'src/validation/validator-registry.ts',
    ['test/validation/validator-registry.test.ts', 'test/validation/validators.test.ts'],
    [
      ['anybody answers a question', 'if (question?.validator !== validator) throw', 'if (question === undefined) throw'],
      ['any number judges', 'known?.place ?? places.take(validator.client)', 'known?.place ?? places.hold(validator.client, 1)'],
      ['a full socket is written to', 'if (question.isAsked || !question.validator.writable) return', 'if (question.isAsked) return'],
      [
        'a validator is asked before it knows',
        'hasBegun && registration.topic === message.topic',
        'registration.topic === message.topic || hasBegun === undefined',
      ],
    ],
  ),
  ...breaks(
    'src/cluster/members.ts',
    ['test/cluster/members.test.ts'],
    [
      ['a gateway is one of its others', 'isThere(record) && record.peerId !== engine.peerId', 'isThere(record)'],
      ['a gateway that stopped is there', "about.state === 'ready' && heartbeats", 'heartbeats'],
      ['a gateway that was killed is there', ' && heartbeats.silence(peerId) <= goneMs', ''],
      ['beats are dated by the clock of the process', 'lastBeat = Math.max(clock.age(), lastBeat + 1)', 'lastBeat = Date.now()'],
      ['a beat may be as the one before', 'Math.max(clock.age(), lastBeat + 1)', 'clock.age()'],
      [
        'a key that another process holds is used',
        'if (await store.gateways.claim(engine.peerId)) return',
        'await store.gateways.claim(engine.peerId)\n      if (log !== undefined) return',
      ],
      ['a key that was taken is not noticed', "if (kind === 'identity') onLost()", ''],
      ['any number of addresses is tried', 'multiaddrs.slice(0, maxAddresses)', 'multiaddrs'],
      [
        'a gateway that stops says nothing',
        "if (timer !== undefined) await note('stopped')",
        "if (timer === undefined) await note('stopped')",
      ],
    ],
  ),
  ...breaks(
    'src/cluster/heartbeats.ts',
    ['test/cluster/members.test.ts'],
    [
      [
        'silence is counted by the clock of the log',
        'known?.seenAt === seenAt ? known : { seenAt, at: cameAt(seenAt) }',
        '{ seenAt, at: monotonic() - Math.abs(age() - seenAt) }',
      ],
      ['a beat that was read again is a sign of life', 'known?.seenAt === seenAt ? known : ', ''],
      ['a beat from the future is a sign of life', 'Math.abs(age() - seenAt)', '(age() - seenAt)'],
      [
        'a gateway that has just started is there when the clocks agree',
        'last === undefined ? monotonic()',
        'last === undefined || age() > 0 ? monotonic()',
      ],
      ['whoever was there once is there at a start', 'monotonic() - Math.abs(age() - seenAt) : monotonic()', 'monotonic() : monotonic()'],
    ],
  ),
]

import { breaks } from '../patch.ts'

const reach = ['test/engine/custom/reach/circuit.test.ts', 'test/engine/custom/reach/relay.test.ts']

/** The custom engine. The lists of what both engines share have more of it. */
export const customEngine = [
  ...breaks(
    'src/engine/custom/overlay/topic-views.ts',
    ['test/engine/custom/overlay/seeks.test.ts'],
    [
      ['all topics are sought at once', 'if (!pace.take(now())) return', 'pace.take(now())'],
      ['the first topics are sought again and again', 'turns.delete(topic)\n        walk(topic)', 'walk(topic)'],
      ['a new topic waits behind all that nobody has', '[due.first, due.again]', '[due.again, due.first]'],
    ],
  ),
  ...breaks(
    'src/engine/custom/overlay/view.ts',
    ['test/engine/custom/overlay/neighbor-links.test.ts'],
    [
      ['who presses into a view drives out who was there', 'unproven().at(-1) ?? ', 'unproven()[0] ?? '],
      ['who presses into a view drives out who has brought something', 'const victim = unproven().at(-1) ?? ', 'const victim = '],
    ],
  ),
  ...breaks(
    'src/engine/custom/overlay/pruning.ts',
    ['test/engine/custom/overlay/neighbor-links.test.ts'],
    [
      [
        'newcomers take all places for links',
        'inbound.length > Math.ceil(inboundShare * limits.maxLinks)',
        'inbound.length > limits.maxLinks',
      ],
      ['what is new goes first', 'since <= now() - settleMs', 'true'],
      ['newcomers drive out who has brought something', '!pinned && !links.isProven(peerId)', '!pinned'],
      ['newcomers drive out neighbours', 'outsideViews(settled.length > 0 ? settled : others)', 'settled.length > 0 ? settled : others'],
    ],
  ),
  ...breaks(
    'src/engine/custom/overlay/create-overlay.ts',
    ['test/engine/custom/overlay/many-topics.test.ts'],
    [
      ['what a peer is told of costs it nothing', 'if (told > 0) components.onTold(peerId, told)', ''],
      ['who asks for messages is no subscriber', 'if (untold.length > 0)', 'if (untold.length > 1)'],
    ],
  ),
  ...breaks(
    'src/engine/custom/overlay/subscriptions.ts',
    ['test/engine/custom/overlay/many-topics.test.ts'],
    [
      ['peers share no room', 'topics.size < ownPeerTopics || shared < maxSharedPeerTopics', 'topics.size < ownPeerTopics'],
      ['a peer has no room of its own', 'topics.size < ownPeerTopics || shared', 'shared'],
      ['shared room does not come back', 'if (link.topics.size >= ownPeerTopics) shared--', ''],
    ],
  ),
  ...breaks(
    'src/engine/custom/overlay/topic-views.ts',
    ['test/engine/custom/overlay/many-topics.test.ts'],
    [['views ask without a pace', 'mayAsk: (link) => link.asks.take(now())', 'mayAsk: () => true']],
  ),
  ...breaks(
    'src/engine/custom/dht/rendezvous.ts',
    ['test/engine/custom/dht/rendezvous.test.ts'],
    [['new topics wait', 'for (const topic of topics) if (!met.has(topic)) return topic', '']],
  ),
  ...breaks(
    'src/engine/custom/overlay/missing.ts',
    ['test/engine/custom/overlay/parts.test.ts'],
    [
      ['who lied is asked first', ': a.doubt < b.doubt', ': a.doubt > b.doubt'],
      ['liars are asked one at a time', 'Math.max(1, 2 * entry.asked.length)', '1'],
    ],
  ),
  ...breaks(
    'src/engine/custom/gossip.ts',
    ['test/engine/custom/gossip.test.ts'],
    [
      [
        'a forged message is judged',
        "if (!(await verified)) settle(id, 'forged')",
        "if ((await verified) === undefined) settle(id, 'forged')",
      ],
      ['a message that nobody signed counts for ever', 'using _counted = counted', 'void counted'],
      ['a message without room is said to be taken', 'if (counted === undefined) return false', 'if (counted === undefined) return true'],
    ],
  ),
  ...breaks(
    'src/engine/custom/wire/pubsub-message.ts',
    ['test/engine/custom/wire/pubsub-message.test.ts'],
    [
      [
        'a message has something behind it',
        "if (reader.at !== bytes.length) throw new ProtocolViolation('trailing bytes behind a message')",
        '',
      ],
      ['a length has many spellings', 'if (byte === 0 && shift > 0) break', ''],
    ],
  ),
  ...breaks(
    'src/engine/custom/noise/identity-payload.ts',
    ['test/engine/custom/noise/handshake.test.ts'],
    [['anybody is anybody', ' || !ed25519.verifier(raw)(signed, signature)', '']],
  ),
  ...breaks(
    'src/engine/custom/noise/aead.ts',
    ['test/engine/custom/noise/aead.test.ts'],
    [['what libsodium could not open is taken', 'return length === plaintext.length ? plaintext : undefined', 'return plaintext']],
  ),
  ...breaks(
    'src/engine/custom/reach/dial-back.ts',
    ['test/engine/custom/reach/parts.test.ts'],
    [
      [
        'a peer that is not linked directly is dialled back',
        "if (ip === undefined) throw new Error('only peers with a direct link are dialled back')",
        '',
      ],
      ['one peer is dialled back at will', '!bucketOf(from).take(now()) || ', ''],
      ['all peers are dialled back at will', ' || !all.take(now())', ''],
      ['what was not tried was not reached', 'if (!(error instanceof NotTried)) results.push', 'results.push'],
    ],
  ),
  ...breaks(
    'src/engine/custom/reach/reachability.ts',
    ['test/engine/custom/reach/reachability.test.ts'],
    [
      ['a node takes relays before it was dialled back', 'judge.askedAt + patienceMs - now()', 'judge.askedAt - now()'],
      ['a node waits for each dial-back before it takes relays', " || (state === 'unknown' && isLate)", ''],
      ['a node that can be reached keeps its relays', "if (judge.state === 'direct') reserved.clear()", ''],
      ['any number of relays is taken', 'reserved.size < wantedRelays && ', ''],
    ],
  ),
  ...breaks(
    'src/engine/reach/dial-back-judge.ts',
    ['test/engine/custom/reach/reachability.test.ts'],
    [
      ['a peer is asked again before it has answered', '.filter((peerId) => !asking.has(peerId))', ''],
      ['any number of peers is asked', '.slice(0, Math.max(0, judges - known.length))', ''],
      [
        'a forwarded port changes no answer',
        'for (const [peerId, verdict] of verdicts) verdicts.set',
        'for (const [peerId, verdict] of []) verdicts.set',
      ],
      [
        'a forwarded port changes no answer on its way',
        'verdicts.set(peerId, asked.outdated.reduce(without, verdict))',
        'verdicts.set(peerId, verdict)',
      ],
      ['a port that is no longer forwarded stays open', 'results.get(multiaddr) !== was', 'results.get(multiaddr) !== false'],
    ],
  ),
  ...breaks(
    'src/engine/custom/reach/reach.ts',
    ['test/engine/custom/reach/dial-back.test.ts'],
    [
      ['a peer has others dialled', "if (at.ip !== target.ip) throw new Error('the address is not that of the peer')", ''],
      [
        'somebody has us dialled by a relay that was not asked',
        "if (!reachability.relays.includes(link.peerId)) return 'this node has no reservation at this relay'",
        '',
      ],
      [
        'every node is a relay',
        "return init.relay ? relay.open(link, other, leg) : 'this node is no relay'",
        'return relay.open(link, other, leg)',
      ],
    ],
  ),
  ...breaks('src/engine/custom/reach/relay.ts', reach, [
    [
      'the window of a circuit has no bound',
      "if (held > circuitWindow) throw new ProtocolViolation('more bytes on a circuit than its credit allows')",
      '',
    ],
    ['a window has one byte too many', 'if (held > circuitWindow)', 'if (held > circuitWindow + 1)'],
    ['credit for what was not sent is taken', 'bytes === 0 || bytes > held - owed', 'bytes === 0'],
    ['credit that is no longer held counts', 'held -= owed', ''],
    ['there are any number of messages', 'if (!way.pass(priceOf(frameTypes.circuitData))) end(tooMany)', ''],
    ['credit is any number of frames', 'if (wayBack.pass(priceOf(frameTypes.circuitCredit))) pass(bytes)', 'if (bytes > 0) pass(bytes)'],
    ['there are any number of offers', '(passedOn.offer(holderOf(link), to, offerUnits) ? undefined : tooMany)', 'undefined'],
    ['messages may be empty', 'if (bytes < tagBytes) throw', 'if (false) throw'],
    ['a circuit is opened any number of times', 'if (isOpened || flow === there) throw', 'if (flow === there) throw'],
    ['an opener opens its circuit', 'if (isOpened || flow === there) throw', 'if (isOpened) throw'],
    ['credit is passed on however fast the relay carries', 'timer = waitMs > 0 ?', 'timer = waitMs < 0 ?'],
    ['a circuit leads to who did not ask', ' || !reservations.has(to)', ''],
    ['circuits come through circuits', 'if (link.isRelayed || target === link) return', 'if (target === link) return'],
    ['a circuit leads to its opener', 'if (link.isRelayed || target === link) return', 'if (link.isRelayed) return'],
    ['there are any number of circuits', "reached.note('relay_circuit')\n    return refused", 'return undefined'],
    ['a closed circuit keeps its place', 'circuits.delete(circuit)', ''],
    [
      'there are any number of reservations',
      "reached.note('relay_reservation')\n        return false",
      "reached.note('relay_reservation')",
    ],
    [
      'a reservation through a relay is taken',
      'if (link === undefined || link.isRelayed) return false',
      'if (link === undefined) return false',
    ],
    ['a reservation outlives its link', 'reservations.delete(peerId)', ''],
    ['the other end is not told that a circuit ended', 'for (const each of ends) each.close(reason)', ''],
    [
      'a link that takes no more loses data',
      "if (over === undefined && to()?.data(message) === false) end('the link to the other end has no room')",
      'to()?.data(message)',
    ],
  ]),
  ...breaks('src/engine/custom/reach/circuit-ends.ts', reach, [
    ['a number may be that of the other end', 'frame.id % 2 === parity(link) || ', ''],
    ['a number may be taken', ' || listeners.has(frame.id)', ''],
    ['a link has any number of circuits', 'if (listeners.size >= init.maxLegsPerLink) {', 'if (listeners.size < 0) {'],
    [
      'a credit has any length',
      'else if (body.length === 8) listener?.onCredit(body.readUInt32BE(4))',
      'else if (body.length >= 8) listener?.onCredit(body.readUInt32BE(4))',
    ],
    [
      'a lost link leaves its circuits open',
      "for (const listener of listeners?.values() ?? []) listener.onClose('the link to the relay was closed')",
      '',
    ],
  ]),
  ...breaks(
    'src/engine/custom/reach/attempt-history.ts',
    ['test/engine/custom/reach/datagram-path.test.ts'],
    [
      [
        'pauses go on over a relayed link that is new',
        'new WeakMap<Link, History>()',
        'Object.assign(new Map<Link, History>(), { get: () => [...histories.values()].at(-1) })',
      ],
    ],
  ),
  ...breaks(
    'src/engine/custom/reach/direct-path.ts',
    ['test/engine/custom/reach/direct-path.test.ts'],
    [
      ['peers take all attempts', ' || followed.length >= maxFollowed', ''],
      ['attempts never rest', 'place === attemptsInRow - 1 ? restMs : ', ''],
      ['a link that was replaced counts as a failed attempt', 'if (current === link) return false', 'return false'],
      ['an attempt ends with its link, whoever is to begin', 'return current.direction !== link.direction', 'return true'],
      ['an attempt goes on where the other end is to begin', 'return current.direction !== link.direction', 'return false'],
      [
        'an attempt waits for what was asked on a link that is gone',
        "const isAsking = !isMeeting && link.direction === 'outbound'",
        'const isAsking = false',
      ],
      ['an attempt that its peer has given up is kept', 'if (before !== undefined) end(before)', ''],
      ['the next attempt waits for the next step', 'if (ms < restMs) setTimeout(step, ms + 1).unref()', ''],
      ['any relay shows any peer', 'if (attempt?.relayId !== relay.peerId) return false', 'if (attempt === undefined) return false'],
      ['a peer has attempts without end', '!bucketOf(from).take(now()) || ', ''],
      ['a failure leads to no other way', ' || history.failures(link) > 0', ''],
      ['the beginning end does not wait for the other', 'await passed(roundTripMs / 2, signal)', ''],
      ['nobody is dialled where no hole was punched', 'orAborted(dialOwn(link, attemptMs - meetMs, signal), signal)', 'Promise.resolve()'],
      [
        'dials after an attempt have no end',
        'orAborted(dialOwn(link, attemptMs - meetMs, signal), signal)',
        'dialOwn(link, attemptMs - meetMs, signal)',
      ],
    ],
  ),
  ...breaks(
    'src/engine/custom/reach/crossing.ts',
    ['test/engine/custom/reach/met-addresses.test.ts'],
    [
      ['a relay has private addresses dialled', "if (!isPublicAddress(ip)) throw new Error('the peer has no public address')", ''],
      ['a peer is dialled at any number of addresses', '.slice(0, maxOwnAddresses)', ''],
      ['one address of a peer takes the time of all', 'createDeadline(ms / addresses.length, [signal])', 'createDeadline(ms, [signal])'],
    ],
  ),
  ...breaks(
    'src/engine/custom/reach/showing.ts',
    ['test/engine/custom/reach/showing.test.ts'],
    [
      ['a peer is shown to anybody', '!hasCircuit(link.peerId, to) || ', ''],
      ['a peer is shown without end', ' || !bucketOf(`${link.peerId} ${to}`).take(now())', ''],
    ],
  ),
  ...breaks(
    'src/engine/custom/link/give-way.ts',
    ['test/engine/custom/link/give-way.test.ts'],
    [
      ['requests in progress are cut', ' || !requests.isIdle', ''],
      ['a link closes before the peer has moved', ' || !hasPeerMoved || ', ' || '],
      ['a link whose peer is silent stays', 'silence.look() > maxSilentLooks || ', ''],
      ['a link whose peer does not move stays', ' || ++looks > maxLooks', ''],
      ['what waits for credit is dropped', 'await channel.drained(0, stopping.signal).catch(() => undefined)', ''],
    ],
  ),
  ...breaks('src/engine/custom/reach/circuit.ts', reach, [
    [
      'an end takes more than it let in',
      "if (this.#granted < 0) throw new ProtocolViolation('more bytes on a circuit than its credit allows')",
      '',
    ],
    ['an end sends more than it may', ' || next.message.length > this.#credit', ''],
    ['an end never lets more in', 'this.#leg.credit(this.#read)', ''],
    ['an end takes empty messages', 'if (message.length < tagBytes)', 'if (false)'],
    ['an end takes credit for what it has not sent', "if (this.#credit > circuitWindow) this.#end('credit that is not due')", ''],
  ]),
  ...breaks(
    'src/engine/custom/link/requests.ts',
    ['test/engine/custom/custom-engine.test.ts'],
    [['a link answers whom a protocol does not admit', 'options.admits?.(from) !== false && ', '']],
  ),
  ...breaks(
    'src/engine/custom/overlay/broadcast.ts',
    ['test/engine/custom/overlay/overtaken.test.ts'],
    [
      ['what is missing is not told of', 'if (announced.length > 0) components.onAnnounced(from, announced)', ''],
      ['what was overtaken is asked for late', 'missing.overtaken(id)', ''],
      ['a neighbour is sent a later message first', 'announcements.flushFor(peerId, topic, (frame) => send(peerId, frame))', ''],
    ],
  ),
  ...breaks(
    'src/engine/custom/overlay/announcements.ts',
    ['test/engine/custom/overlay/direct-neighbors.test.ts'],
    [['what a link has no room for is not announced later', ', messages: some })) return false', ', messages: some })) break']],
  ),
  ...breaks(
    'src/engine/custom/overlay/answers.ts',
    ['test/engine/custom/overlay/answers.test.ts'],
    [
      [
        'what was asked for is dropped when the link has no room',
        'if (!answer(peerId, asker, id)) return\n',
        'answer(peerId, asker, id)\n',
      ],
      ['any number of messages that were asked for waits', 'else if (asker.waiting.size < init.limits.maxPeerMissing) asker', 'else asker'],
      ['who has unsubscribed is sent what it asked for before', ' || !components.subscribers(message.envelope.topic).has(peerId)', ''],
      ['a neighbour is sent a message as often as it asks', 'asker.sent.add(id)\n', ''],
      ['what was sent is remembered for good', 'if (cache.get(id) === undefined) sent.delete(id)', ''],
      [
        'what a link took to its end is not sent on the next one',
        'forgetPeer: (peerId) => askers.delete(peerId)',
        'forgetPeer: () => undefined',
      ],
    ],
  ),
  ...breaks(
    'src/engine/custom/overlay/broadcast.ts',
    ['test/engine/custom/overlay/answers.test.ts'],
    [
      ['what was asked for is sent after later messages', 'answers.flushFor(peerId)\n', ''],
      ['what was asked for waits for a later message', 'answers.flush()\n', ''],
    ],
  ),
  ...breaks(
    'src/engine/custom/overlay/promises.ts',
    ['test/engine/custom/overlay/promises.test.ts'],
    [
      [
        'a neighbour whose link is full breaks its promises',
        'if ((broughtAt(peerId) ?? Number.NEGATIVE_INFINITY) < askedAt) broken',
        'broken',
      ],
      ['what another has brought is a broken promise', 'promises.delete(id) && promises.size === 0', 'promises.size === 0'],
      ['promises have no end', 'if (askedAt > now() - promiseMs) break', 'if (askedAt > 0) break'],
    ],
  ),
  ...breaks(
    'src/engine/custom/overlay/broadcast.ts',
    ['test/engine/custom/overlay/promises.test.ts'],
    [['a request that did not leave is a promise', 'else missing.notAsked(peerId, some)', 'else missing.asked(peerId, some)']],
  ),
  ...breaks(
    'src/engine/custom/overlay/missing.ts',
    ['test/engine/custom/overlay/promises.test.ts'],
    [
      ['late promises leave room for more', ' + promises.count(holder) >=', ' >='],
      ['a neighbour whose promise is late is asked first', ' + Number(promises.isLate(peerId))', ''],
      ['a neighbour is asked for ever', 'entry.full.add(peerId)\n', ''],
      [
        'a request that did not leave is waited for',
        '!entry.full.has(next.peerId)) entry.dueAt = now()',
        '!entry.full.has(next.peerId)) {}',
      ],
      ['a link without room is not given time', ' && !entry.full.has(next.peerId)', ''],
    ],
  ),
  ...breaks(
    'src/engine/custom/overlay/unasked.ts',
    ['test/engine/custom/overlay/unasked.test.ts', 'test/engine/custom/overlay/overtaken.test.ts'],
    [
      ['later messages too count as overtaken', 'first !== undefined && first.sequence < sequence', 'first !== undefined'],
      ['a number without an order overtakes', 'author === undefined || sequence >= firstDrawn', 'author === undefined'],
    ],
  ),
  ...breaks(
    'src/engine/custom/overlay/missing.ts',
    ['test/engine/custom/overlay/overtaken.test.ts'],
    [
      [
        'what is given up is not told of',
        'if (ids === undefined) missed.set(entry.first, [id])',
        'if (ids === undefined) missed.delete(id)',
      ],
    ],
  ),
  ...breaks(
    'src/engine/custom/learnt-dials.ts',
    ['test/engine/custom/learnt-dials.test.ts'],
    [
      ['an address that does not answer holds up the others', 'createDeadline(aheadMs,', 'createDeadline(100 * aheadMs,'],
      ['IPv6 comes as it is told', 'multiaddrs.toSorted(ipv6First)', 'multiaddrs'],
      ['all addresses are dialled at once', '          await nextIsDue()\n', ''],
      ['a dial that has failed holds up the next', 'orAborted(ended.promise, ahead.signal)', 'orAborted(added.promise, ahead.signal)'],
      ['a peer is dialled on when it is linked', '!isReached && !signal.aborted && isWanted(peerId)', '!isReached && !signal.aborted'],
      ['dials of one peer have no bound', ' || known.size >= maxAddresses', ''],
      ['addresses are dialled twice', 'known.has(multiaddr) || ', ''],
      ['a new address waits for those that do not answer', 'Promise.race([ended.promise, added.promise])', 'ended.promise'],
      ['a dial takes the addresses of other peers', 'multiaddr.endsWith(`/p2p/${peerId}`)', 'multiaddr.endsWith(peerId) || peerId'],
      ['a peer counts as not reached while it is dialled', 'else if (dials > 0)', 'else if (dials < 0)'],
    ],
  ),
  ...breaks(
    'src/engine/custom/refusals.ts',
    ['test/engine/custom/refusals.test.ts'],
    [
      ['blocked peers are linked', 'if (isBlocked(other)) {', 'if (isBlocked(`${other} `)) {'],
      ['a full gateway takes more links', 'links.size < maxConnections', 'links.size < 10 * maxConnections'],
      [
        'a full gateway refuses configured peers',
        ' || isConfigured(other) || other === peerId) return undefined',
        ' || other === peerId) return undefined',
      ],
      [
        'a full gateway refuses another link of a linked peer',
        ' || links.get(other) !== undefined || isConfigured(other) || other',
        ' || isConfigured(other) || other',
      ],
      ['one address takes all links', "{ max: maxConnections }) !== 'share'", "{ max: 100 * maxConnections }) !== 'share'"],
      ['links that this gateway made count against an address', "direction !== 'inbound' || seenAt", 'seenAt'],
      [
        'two nodes with one key replace each other in turn',
        'if (!isBack(link)) return undefined',
        'if (isBack(link) || !isBack(link)) return undefined',
      ],
      ['an instance that comes again is a conflict', 'there.hello.instance !== hello.instance && instances', 'instances'],
      ['a new instance is a conflict', ' && instances.wasReplaced(other, hello.instance)', ''],
      ['a full gateway names no others', 'peers: others(other) }', 'peers: [] }'],
      ['relayed peers are named as others', ' && !link.isRelayed', ''],
      ['a peer that is sent away is told of itself', 'link.peerId !== except && ', ''],
    ],
  ),
  ...breaks(
    'src/engine/custom/overlay/frames.ts',
    ['test/engine/custom/told-peers.test.ts', 'test/engine/custom/refusals.test.ts'],
    [
      ['a record has any number of addresses', '.slice(0, frameBounds.multiaddrs)', ''],
      ['a record has addresses of any length', '.filter(({ length }) => length <= frameBounds.multiaddrLength)', ''],
      ['a beacon may have the last round', 'round: z.int().min(1).max(frameBounds.round)', 'round: z.int().min(1)'],
    ],
  ),
  ...breaks(
    'src/engine/custom/overlay/renewal.ts',
    ['test/engine/custom/overlay/parts.test.ts'],
    [['rounds are counted beyond the last', 'if (round === frameBounds.round) return undefined', '']],
  ),
]

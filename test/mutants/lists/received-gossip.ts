import { breaks } from '../patch.ts'

/** How messages of neighbours come in, and which are let through. */
export const receivedGossip = [
  ...breaks(
    'src/engine/reading.ts',
    ['test/engine/reading.test.ts'],
    [
      [
        'gossip is read whatever room there is',
        'const room = inbound()?.room?.(peerId)',
        'const room: Promise<void> | undefined = undefined as Promise<void> | undefined',
      ],
      ['one peer without room holds up all', 'inbound()?.room?.(peerId)', "inbound()?.room?.('one')"],
      ['a link waits for room for ever', 'if (hasGivenUp) return true', ''],
      ['a link that has given up is not told of', 'hasGivenUp = true\n          onChange()', 'hasGivenUp = true'],
      ['a link gives up once for all', 'hasGivenUp = false\n          return true', 'return true'],
      ['a link that had room gives up early', 'clearTimeout(giveUp)\n          giveUp = undefined', ''],
      ['each look at a link begins its wait anew', 'giveUp ??= setTimeout', 'clearTimeout(giveUp)\n        giveUp = setTimeout'],
      ['a link is told as often as it was looked at', 'if (!isAwaited) void room', 'void room'],
      ['a link is told of room once', 'isAwaited = false\n        onChange()', 'onChange()'],
      ['any number of bytes of a link are verified', 'held <= limits.maxStreamBufferBytes && ', ''],
      ['any number of bytes are verified', ' && budget.canVerify) return hasRoom()', ') return hasRoom()'],
      ['a byte too few is verified', 'held <= limits.maxStreamBufferBytes', 'held < limits.maxStreamBufferBytes'],
      ['who waits for others is not told', 'if (budget.canVerify) wake()', ''],
      ['a link that is held up does not wait', 'waiting.add(onChange)', ''],
      ['messages of a link are not counted to it', 'held += message?.bytes ?? 0\n', ''],
      ['what was verified counts to its link for ever', 'held -= bytes\n', ''],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/gossip/verify-gossip.ts',
    ['test/engine/libp2p/verify-gossip.test.ts'],
    [
      [
        'a forgery is taken',
        'if (!(await verifyInTurn(source, msgIdStr, opened))) {',
        'if ((await verifyInTurn(source, msgIdStr, opened)) === undefined) {',
      ],
      [
        'a copy of a message is taken for a forgery of another',
        'other !== undefined && isSame(other.opened, opened)',
        'other !== undefined',
      ],
      ['messages of a link are judged as they are verified', 'lines.get(source)?.then(() => isIntact) ?? isIntact', 'isIntact'],
      ['what was verified is counted for ever', 'using counted = linkOf', 'const counted = linkOf'],
      [
        'a message without room is taken for a forgery',
        'if (counted === undefined) return { code: MessageStatus.invalid, reason: RejectReason.Ignore, msgIdStr }',
        'if (counted === undefined) return { code: MessageStatus.invalid, reason: RejectReason.Reject, msgIdStr }',
      ],
      ['who forwards what others take is a forger', 'opened.author.isDisputed(opened.signature)', 'false'],
      [
        'what is known is verified again',
        'const msgIdStr = internals.msgIdToStrFn(msgId)\n    if (seenCache.has(msgIdStr)) return { code: MessageStatus.duplicate, msgIdStr }',
        'const msgIdStr = internals.msgIdToStrFn(msgId)',
      ],
      [
        'a copy that came while a message was verified is judged too',
        '}\n    if (seenCache.has(msgIdStr)) return { code: MessageStatus.duplicate, msgIdStr }\n    seenCache',
        '}\n    seenCache',
      ],
      ['what came is not known', 'seenCache.put(msgIdStr, undefined)', ''],
      ['a forgery is known', 'if (!(await verifyInTurn', 'seenCache.put(msgIdStr, undefined)\n    if (!(await verifyInTurn'],
      ['everybody sends large messages', 'internals.sendIDontWants(msgId, topic, source.toString())', 'void topic'],
      [
        'what is no large message is told of',
        'data.length >= internals.opts.idontwantMinDataSize',
        'data.length > internals.opts.idontwantMinDataSize',
      ],
      ['what is rejected is ignored', 'reject: RejectReason.Reject', 'reject: RejectReason.Ignore'],
      ['what is judged wrong is forwarded', "if (verdict !== 'accept') return", 'if (verdict === undefined) return'],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/gossip/gossip-messages.ts',
    ['test/engine/libp2p/verify-gossip.test.ts'],
    [
      ['a sequence number has any length', 'if (seqno?.length !== sequenceLength)', 'if (seqno === undefined)'],
      ['absent data is empty', '...(dataAbsent ? { dataAbsent } : {}),', ''],
      ['empty data is absent', 'dataAbsent: data === undefined', 'dataAbsent: data === undefined || data.length === 0'],
      [
        'a key that the peer id has is kept too',
        '...(author.isInlined ? {} : { publicKey: publicKeyToProtobuf(author.publicKey) })',
        'publicKey: publicKeyToProtobuf(author.publicKey)',
      ],
      [
        'a key that the peer id has not is lost',
        '...(author.isInlined ? {} : { publicKey: publicKeyToProtobuf(author.publicKey) })',
        '...{}',
      ],
      ['messages with one signature are the same', 'Buffer.compare(one.signed, other.signed) === 0 && ', ''],
      ['messages with other signatures are the same', ' && Buffer.compare(one.signature, other.signature) === 0', ''],
    ],
  ),
  ...breaks(
    'src/model/authors.ts',
    ['test/engine/libp2p/verify-gossip.test.ts'],
    [
      ['an author has any key', ' || !id.equals(publicKey.toMultihash().bytes)) return undefined', ') return undefined'],
      ['a known author has any key', '|| !isKeyOf(author, key)) return undefined', ') return undefined'],
      ['a known author has a key that is none', '} catch {\n    return false\n  }\n  author', '} catch {}\n  author'],
      ['a known author needs no key', 'if (key === undefined) return author.isInlined', 'if (key === undefined) return true'],
      ['a key has one spelling', 'if (!author.id.equals(publicKeyFromProtobuf(key).toMultihash().bytes)) return false', 'return false'],
      ['either signature of secp256k1 is one', 'hasLowS(signature) && ', ''],
      ['a wrong signature is one', 'resolve(error === null && intact)', 'resolve(error === null)'],
      [
        'whoever signs with RSA is not verified',
        "verifier('sha256', () => createPublicKey({ key: Buffer.from(publicKey.raw)",
        "verifier('sha512', () => createPublicKey({ key: Buffer.from(publicKey.raw)",
      ],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/gossip/announced.ts',
    ['test/engine/libp2p/announced.test.ts'],
    [
      ['announced messages are not told of', "emit({ type: 'message:announced', peerId, ids: [...ids.keys()] })", ''],
      ['what has not come is not told of', "if (missed.length > 0) emit({ type: 'message:missed', peerId, ids: missed })", ''],
      ['peers of old links are told of the latest messages', ' || linkAge(peerId) > newLinkMs', ''],
      ['peers that ignore earlier messages are told of them', '!ordersItself(peerId) || ', ''],
      ['any number of messages is told of', 'left -= messageIDs.length', ''],
      ['messages from before a subscription are asked for', 'all.filter(({ topicID }) => isWanted(topicID))', 'all'],
    ],
  ),
]

import { breaks } from '../patch.ts'

export const engines = [
  ...breaks(
    'src/engine/libp2p/identify.ts',
    ['test/engine/libp2p/identify.test.ts'],
    [
      ['a peer pushes without end', 'return !budget.take(performance.now())', 'return budget === undefined'],
      ['a peer speaks any number of protocols', '.slice(0, maxProtocols)', ''],
      ['a peer says any number of bytes', 'return bytes > maxBytes', 'return bytes < 0'],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/stored-addresses.ts',
    ['test/engine/libp2p/identify.test.ts'],
    [['a peer has any number of addresses', 'return count <= maxAddresses', 'return count > 0']],
  ),
  ...breaks(
    'src/engine/inbound-gate.ts',
    ['test/engine/inbound-gate.test.ts'],
    [
      ['own messages are taken back from the network', ' && from !== peerId', ''],
      ['messages of topics that are not subscribed are taken', 'topics.has(topic) && ', ''],
      ['messages of any size are taken', ' && data.length <= limits.maxMessageBytes', ''],
      ['what was judged is held for ever', 'using _held = held', 'void held'],
      ['a late answer is waited for', "resolve('ignore')\n    }, limits.validateTimeoutMs)", '}, limits.validateTimeoutMs)'],
      [
        'who fails accepts',
        "'a message from the network could not be judged')\n      return 'ignore'",
        "'a message from the network could not be judged')\n      return 'accept'",
      ],
      ['before anybody takes messages all are accepted', "?? 'ignore'", "?? 'accept'"],
    ],
  ),
  ...breaks(
    'src/engine/inbound-budget.ts',
    ['test/engine/inbound-budget.test.ts'],
    [
      ['messages have no bound together', ' || verifying + byAuthor.total + bytes > maxInboxBytes', ''],
      ['messages that are verified have room of their own', 'verifying + byAuthor.total + bytes', 'byAuthor.total + bytes'],
      ['any number of small messages is taken', 'messages >= maxMessages || ', ''],
      ['one topic takes the room of all', 'if (byTopic.refusal(topic, bytes) !== undefined) return false', ''],
      ['empty messages cost nothing', 'const overheadBytes = 512', 'const overheadBytes = 0'],
      ['a message that waits counts to no topic', 'held.use(byTopic.hold(topic, bytes))', ''],
      ['a message that waits counts to no author', 'held.use(byAuthor.hold(author, bytes))', ''],
      ['a message that was judged still counts by number', 'held.defer(() => messages--)', ''],
      ['a verified message still counts to its link', 'leave()\n          return held', 'return held'],
      ['a message leaves its link twice', 'if (!isVerifying) return\n', ''],
      ['a forged message counts for ever', '[Symbol.dispose]: leave', '[Symbol.dispose]: () => undefined'],
      ['a message without room is not told of', 'refused++\n        return undefined', 'return undefined'],
    ],
  ),
  ...breaks(
    'src/engine/mdns/discovery.ts',
    ['test/engine/mdns/discovery.test.ts'],
    [
      ['addresses of other interfaces are told', 'on.isLoopback || on.addresses.includes(host) || !ofThisHost.has(host)', "host !== 'x'"],
      ['every question has an answer of its own', 'Math.max(0, answeredAt + answerMs - performance.now())', '0'],
      ['addresses of any length are told', 'length <= maxAddressLength)\n        .slice', 'length > 0)\n        .slice'],
    ],
  ),
  ...breaks(
    'src/engine/silent-links.ts',
    ['test/engine/silent-links.test.ts'],
    [
      ['more peers of doubted links are remembered than may be', 'if (doubted.size <= maxDoubted) return', 'return'],
      ['a link is cut before its peer has answered beside it', 'await prove(multiaddr, signal)', ''],
      ['a link that is heard again is cut', 'if (!isSilent(link) || stopping.signal.aborted) return', ''],
      ['quiet links are not pinged', 'ping(link)\n      if', 'if'],
      [
        'a link that has ended is forgotten',
        'link === undefined ? isGone(peerId, peer) : !isSilent(link)',
        'link === undefined || !isSilent(link)',
      ],
      ['peers with whom no link is wanted are dialled', '(isSettled(peerId) || now() - since > soughtMs)', '(now() - since > soughtMs)'],
      ['peers that refuse links are dialled', '|| (link === undefined && !isWanted(peerId))', ''],
      ['peers are looked for without end', '|| now() - since > soughtMs', ''],
      ['a peer that was stopped loses its link', 'if (isSilent(link)) await inTime(', 'if (false) await inTime('],
      ['a link that ended with its relay is forgotten', '!links.has(peerId) && hasLostItsWay(link)', 'false'],
      ['a link that its peer has ended is dialled again', 'isCircuitAddress(parse(link.multiaddr)) && quietMs(link)', 'quietMs(link)'],
      ['names that others told are dialled as if they were given', 'isGiven || isIpAddress(multiaddr)', 'true'],
      ['names from the local network are dialled as if they were given', "source === 'rest'", "source === 'rest' || source === 'mdns'"],
      ['one host takes all places', 'places.take(hostIn(multiaddr))', "places.take('')"],
      ['the first doubted are dialled again and again', 'doubted.delete(peerId)\n    doubted.set(peerId, peer)', ''],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/signs-of-life.ts',
    ['test/engine/mute-links.test.ts'],
    [['a connection over QUIC is never silent', 'heard.get(connection.muxer ?? connection) ??', '']],
  ),
  ...breaks(
    'src/engine/libp2p/dialled-at.ts',
    ['test/engine/mute-links.test.ts'],
    [['the name that a socket was dialled by is forgotten', 'addresses.get(connection) ?? ', '']],
  ),
  ...breaks(
    'src/engine/libp2p/silent-connections.ts',
    ['test/engine/mute-links.test.ts'],
    [['a mute connection that a peer has replaced stays', 'if (isSilent(connection)) cut(connection)', '']],
  ),
  ...breaks(
    'src/engine/mdns/multicast.ts',
    ['test/engine/mdns/discovery.test.ts'],
    [['packets leave by the default route only', 'current.socket.setMulticastInterface(ipv4Of(each))', '']],
  ),
  ...breaks(
    'src/engine/dial/policy.ts',
    ['test/engine/dial/policy.test.ts', 'test/engine/dial/policy-ranges.test.ts', 'test/engine/dial/policy-sources.test.ts'],
    [
      ['addresses that nobody dials are dialled', 'if (isIn(never, ip)) return', 'if (ip === text.concat("x")) return'],
      ['private addresses are always dialled', 'if (!init.dialPrivate && !isPublic(ip)) return', 'if (ip === "") return'],
      [
        'what peers tell may be private',
        "const refusal = source === 'learnt' ? learntRefusal(ip, told) : undefined",
        'const refusal = undefined',
      ],
      [
        'what peers tell may be this host',
        'networks.includes(thisHost) && init.dialOwnHost !== true',
        'networks.includes(thisHost) && init.dialOwnHost === false',
      ],
      ['a mapped address is judged as IPv6', 'if (mapped || startsWith(0x64, 0xff9b, 0, 0, 0, 0)) return dotted(seventh, eighth)', ''],
    ],
  ),
  ...breaks(
    'src/engine/dial/gate.ts',
    ['test/engine/dial/gate.test.ts'],
    [
      ['the policy is not asked', 'if (refusal !== undefined) {', 'if (refusal === "") {'],
      ['another spelling of an IP address is a name', 'return !numeric && isIP(text) === 0', 'return isIP(text) === 0'],
      ['all addresses of a name are tried', '.slice(0, maxAddressesOfName)', ''],
      ['what says something of the peer is not passed on', 'if (saysOfPeer(error)) throw error', ''],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/transport/gater.ts',
    ['test/engine/libp2p/gater.test.ts'],
    [
      [
        'a blocked peer is dialled',
        'isBlocked(peerId) || components.letGo.has(peerId.toString())',
        'components.letGo.has(peerId.toString())',
      ],
      ['a peer that was let go is dialled', 'isBlocked(peerId) || components.letGo.has(peerId.toString())', 'isBlocked(peerId)'],
      ['a blocked peer comes in', 'denyInboundEncryptedConnection: refuseBlocked', 'denyInboundEncryptedConnection: () => false'],
      ['a blocked peer is linked with', 'denyOutboundEncryptedConnection: isBlocked', 'denyOutboundEncryptedConnection: () => false'],
      [
        'a blocked peer comes through a relay',
        'denyInboundRelayedConnection: (_relay, peer) => refuseBlocked(peer)',
        'denyInboundRelayedConnection: () => false',
      ],
      ['one link too many is taken', 'components.connections().length < init', 'components.connections().length <= init'],
      ['dials of our own go beyond the limit', 'denyOutboundUpgradedConnection: checkRoom', 'denyOutboundUpgradedConnection: () => false'],
      ['a configured peer has no place of its own', 'maxConnections || components.isProtected(peerId.toString())', 'maxConnections'],
      ['a configured peer counts with its address', 'undefined || components.isProtected(peerId.toString())', 'undefined'],
      ['an address has as many links as it likes', '|| checkCrowd(peerId, connection)', ''],
      ['what this node has dialled counts against an address', "each.direction === 'inbound' ? seenAtOf", 'each !== undefined ? seenAtOf'],
    ],
  ),
  ...breaks(
    'src/engine/crowds.ts',
    ['test/engine/crowds.test.ts'],
    [
      ['peers are told apart by their ids, which are free', 'seenAt === undefined ? peerId : addressKey(seenAt)', 'peerId'],
      ['this host has a share like others', '{ max, exempt: new Set([localKey]) }', '{ max }'],
      ['a relay carries one circuit too many', 'carried.length >= max', 'carried.length > max'],
      ['one peer opens all circuits', 'carried.filter((each) => each.opener === opener).length >=', 'carried.length * 0 >='],
      ['one address opens all circuits', '!== undefined) {\n    return', '=== null) {\n    return'],
      ['all circuits lead to one peer', 'targets.refusal(target) === undefined ?', 'targets.refusal(target) !== null ?'],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/transport/relay-server.ts',
    ['test/engine/relay.test.ts'],
    [
      ['libp2p has any number of reservations', "reached.note('relay_reservation')\n        return true", 'return false'],
      [
        'libp2p carries any number of circuits',
        "reached.note('relay_circuit')\n          return true",
        "reached.note('relay_circuit')\n          return false",
      ],
      ['a closed circuit of libp2p keeps its place', 'circuits.delete(circuit)', ''],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/transport/relay-server.ts',
    ['test/engine/libp2p/relay.test.ts'],
    [
      ['libp2p states limits that there are not', 'applyDefaultLimit: false', 'applyDefaultLimit: true'],
      ['a relay of libp2p reads without end', 'holdBack({ opener: hop.stream, target: stream }, hop.counted)', ''],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/transport/stated-limits.ts',
    ['test/engine/libp2p/relay.test.ts'],
    [['the time of a circuit is stated in milliseconds', 'Math.floor(relayMs / 1_000)', 'relayMs']],
  ),
  ...breaks(
    'src/engine/libp2p/transport/circuit-streams.ts',
    ['test/engine/libp2p/relay.test.ts'],
    [
      ['a relay carries faster than it may', 'if (isFull || waitMs > 0) pause()', 'if (isFull) pause()'],
      ['the end of a stream comes before what it holds', '    end()\n    resume()\n', '    end()\n'],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/transport/waiting-frames.ts',
    ['test/engine/libp2p/waiting-frames.test.ts'],
    [
      ['a frame that was taken in part is taken for gone', 'bytes - size >= left', 'bytes > left'],
      ['small frames cost nothing', '(sizes.length - taken) * frameOverheadBytes', '0'],
    ],
  ),
  ...breaks(
    'src/engine/published-limits.ts',
    ['test/engine/published-limits.test.ts'],
    [
      ['an RPC has no room around its message', 'limits.maxRpcBytes - rpcOverheadBytes', 'limits.maxRpcBytes'],
      ['the custom engine has the limit of libp2p', "if (kind === 'custom' || kind === 'memory') return limits", ''],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/gossip/split-control.ts',
    ['test/engine/libp2p/split-control.test.ts'],
    [
      ['what waits for a peer is added to the next RPC', '    sendWaiting(peerId)\n', ''],
      [
        'what waits for a peer is lost when it does not take it',
        'if (sendSplit(peerId, rpc)) return',
        'if (sendSplit(peerId, rpc) || true) return',
      ],
      ['ids are one RPC, however many', 'if (left < part.bytes || pieces.length === 0)', 'if (pieces.length === 0)'],
    ],
  ),
  ...breaks(
    'src/engine/relay-bounds.ts',
    ['test/engine/relay-bounds.test.ts'],
    [
      ['a circuit carries for ever', 'totals[direction] > limits.maxRelayBytes', 'totals[direction] < 0'],
      ['a limit of nothing lets nothing through', 'limits.maxRelayBytes > 0 && ', ''],
      ['a circuit lives for ever', "finish('the circuit has reached its maximum duration')", 'undefined'],
      ['a silent circuit stays', "finish('the circuit was idle for too long')", 'undefined'],
      ['a circuit that carries is taken for silent', 'idle.refresh()', ''],
      ['circuits have no rate', 'rate.spend(holder, performance.now(), bytes)', ''],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/protocols.ts',
    ['test/engine/libp2p/libp2p-engine.test.ts'],
    [['libp2p answers whom a protocol does not admit', ' || entry.options.admits?.(from) === false', '']],
  ),
  ...breaks(
    'src/engine/libp2p/dht/record-datastore.ts',
    ['test/engine/libp2p/record-datastore.test.ts'],
    [
      ['a peer that is linked is forgotten', 'if (this.#isLinked(', 'if (false && this.#isLinked('],
      ['peers of an earlier life stay', 'this.#closed = false\n    this.#forgetPeers()', 'this.#closed = false'],
      ['a peer that has changed is forgotten before the others', 'this.#peers.delete(name)\n    if (value', 'if (value'],
      ['what the DHT keeps counts as a peer', 'if (name.startsWith(peerPrefix)) this', 'this'],
    ],
  ),
]

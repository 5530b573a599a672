import { breaks } from '../patch.ts'

export const webRtc = [
  ...breaks(
    'src/engine/webrtc/session-description.ts',
    ['test/engine/webrtc/session-description.test.ts'],
    [
      ['values of a description are not checked', '|| !forms[name].test(found)', ''],
      ['names are candidates', 'isIP(ip) !== 0 && ', ''],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/webrtc/signals.ts',
    ['test/engine/libp2p/webrtc/signals.test.ts'],
    [
      ['a peer sends any number of signals', 'if (++signals > maxSignals)', 'if (++signals < 0)'],
      ['signals come in any order', 'if (type !== (signals === 1 ? types[first] : types.candidate))', 'if (type > types.candidate)'],
      ['a description is handed on as it is', 'checkDescription(text)', 'text'],
    ],
  ),
  ...breaks(
    'src/engine/webrtc/sessions.ts',
    ['test/engine/webrtc/sessions.test.ts'],
    [
      ['any number of candidates is tried', 'if (++candidates > maxCandidates) return', ''],
      [
        'each address counts as reached',
        "if ((await selected.promise) !== keyOf({ ip, port })) throw new Error('the peer was not reached there')",
        'await selected.promise',
      ],
      ['peers begin as often as they like', ' || !bucketOf(peerId).take(now())', ''],
      ['the peers of one relay take every place', 'ownKey : relayId', 'ownKey : peerId'],
      ['peers take the places of this node', 'relays.total - relays.held(ownKey) >= maxOfPeers', 'false'],
    ],
  ),
  ...breaks(
    'src/engine/webrtc/channel-connection.ts',
    ['test/engine/webrtc/channel-connection.test.ts'],
    [
      ['what was sent before the end is dropped', 'setTimeout(() => native.close(), closeGraceMs).unref()', 'native.close()'],
      ['a STUN server is waited for', 'setTimeout(() => gathered.resolve(), gatherMs)', 'setTimeout(() => undefined, gatherMs)'],
      ['a peer opens further channels', 'another.close()\n    fail()', 'another.close()'],
    ],
  ),
  ...breaks(
    'src/engine/custom/reach/channel-socket.ts',
    ['test/engine/custom/reach/channel-socket.test.ts'],
    [
      ['credit comes for what was not sent', ' || bytes > outstanding', ''],
      ['credit comes in any amount', 'bytes < circuitWindow / 2 || ', ''],
      ['records are as long as a peer likes', "if (bytes > maxSocketMessageBytes) throw new ProtocolViolation('a record is too long')", ''],
      ['records have no bytes', "if (bytes < tagBytes) throw new ProtocolViolation('a record is too short')", ''],
      ['records behind the end are taken', 'if (socket.readyState !== socket.OPEN) return', ''],
    ],
  ),
  ...breaks(
    'src/engine/custom/reach/datagram-path.ts',
    ['test/engine/custom/reach/datagram-path.test.ts'],
    [
      ['both ends begin', "direction !== 'outbound' || ", ''],
      ['an attempt does not wait for TCP', ' || !isDue(link)', ''],
      ['signals are taken over any link', ' || !link.isRelayed', ''],
      ['an end tells its private addresses', '.filter(({ ip }) => isPublicAddress(ip))', ''],
      ['a place is kept when the connection has ended', 'void connection.ended.then(session.end)', ''],
      ['attempts follow at once', 'history.isPausing(link) || ', ''],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/webrtc/webrtc-transport.ts',
    ['test/engine/libp2p/webrtc/webrtc-transport.test.ts'],
    [
      [
        'a relay names one peer for another',
        "if (peerIdOf(remoteAddr) !== peerId) throw new Error('the relay has named another peer')",
        '',
      ],
      ['signals are taken from anywhere', "if (direct) throw new Error('signals are taken over relayed connections only')", ''],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/webrtc/channels.ts',
    ['test/engine/libp2p/webrtc/channels.test.ts', 'test/engine/libp2p/webrtc/hostile-channels.test.ts'],
    [
      ['a peer opens any number of channels', 'budget.spend(channelUnits, 0)', ''],
      ['a peer opens any number of streams', 'if (muxer.streams.length >= maxStreamsPerConnection)', 'if (muxer.streams.length < 0)'],
      ['messages are not counted', 'spend(1, event.data.byteLength)', ''],
      ['streams hold anything', 'stream.maxReadBufferLength = maxStreamBufferBytes', ''],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/webrtc/held-messages.ts',
    ['test/engine/libp2p/webrtc/held-messages.test.ts'],
    [
      ['messages do not wait', " && stream.readStatus !== 'paused')) onmessage", ')) onmessage'],
      ['later messages overtake those that wait', 'waiting.size === 0 && !isHandingOn && stream', 'stream'],
      ['all that waits is handed on at once', 'bytes < turnBytes', 'bytes < Infinity'],
      ['the end is told before what waits', 'isOver || (waiting.size === 0 && !isHandingOn)) onclose', 'true) onclose'],
      ['messages cost their bytes only', ' + messageOverheadBytes)', ')'],
      ['ended streams keep their room', 'held.place[Symbol.dispose]()\n  })', '{}\n  })'],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/webrtc/upgrades.ts',
    ['test/engine/libp2p/webrtc/upgrades.test.ts'],
    [
      ['both ends begin a WebRTC connection', "connection.direction === 'outbound' && ", ''],
      ['hole punching gets no time', 'protocols.includes(punchProtocol) ? waitMs : 0', '0'],
      [
        'a WebRTC connection is opened beside a direct one',
        "if (connectionsTo(remotePeer).some(({ direct, status }) => direct && status === 'open')) return",
        '',
      ],
    ],
  ),
  ...breaks(
    'src/engine/stun/stun-service.ts',
    ['test/engine/stun/stun-service.test.ts'],
    [
      ['the first gateways are asked each time', 'first += maxServers', ''],
      ['many peers of one address are asked', '[ipNetwork(link.ip), link]', '[link, link]'],
      ['a server without a port is asked', "if (port === 0) throw new Error('the gateway names no port')", ''],
    ],
  ),
  ...breaks(
    'src/engine/stun/stun-server.ts',
    ['test/engine/stun/stun.test.ts'],
    [
      ['an address gets any number of answers', '!client.answers.take(now()) || ', ''],
      ['an address gets more bytes than have come from it', 'client.owedBytes < answer.length || ', ''],
      ['all addresses get any number of answers', ' || !all.take(now())', ''],
    ],
  ),
]

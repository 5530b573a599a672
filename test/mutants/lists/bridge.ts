import { breaks } from '../patch.ts'

/** What crosses from one network to the other, and what does not. */
export const bridge = [
  ...breaks(
    'src/log/outbound.ts',
    ['test/log/outbound-bridge.test.ts', 'test/log/feeds.test.ts', 'test/log/ingest-bridge.test.ts'],
    [
      ['a straggler is fed what came by history', 'return isLive ? belongs', 'return isLive || belongs(message, network) ? belongs'],
      [
        'what was fetched is kept from a peer that begins',
        'return firstSeenAt >= settledAge() - recentMs',
        'return firstSeenAt > Date.now() * 2',
      ],
      ['what was fetched, however old, is handed to a peer that begins', 'return firstSeenAt >= settledAge() - recentMs', 'return true'],
      ['a message goes back to the network that brought it', "return passages.get(id)?.[kind] !== 'brought'", 'return true'],
      ['a message of any age crosses', ' || firstSeenAt < settledAge() - init.limits.unsentWindowMs) return', ') return'],
      ['a network forwards what it was handed', "if (passage?.[network] === 'handed') return false", ''],
      ['what a network was handed is not noted', 'if (bridge === undefined) return\n    for', 'if (ways.length > 0) return\n    for'],
      ['a network that did not take a message is not handed it', 'passages.delete(id)', 'return'],
      ['a straggler is fed what its network does not have', "|| passages.get(id)?.[kind] === 'brought'", '|| true'],
      ['a straggler is not fed what its network brought', " || passages.get(id)?.[kind] === 'brought'", ''],
      ['a bridge begins anew', '(await log.sentThrough(name)) || (await log.sentThrough(peerId))', 'log.sentThrough(name)'],
      ['the mark of the node is that of one network', 'Math.min(...ways.map(({ outbound }) => outbound.marked))', 'through'],
      [
        'a topic that waits in two networks counts twice',
        'new Set(ways.flatMap(({ outbound }) => outbound.waiting())).size',
        'ways.flatMap(({ outbound }) => outbound.waiting()).length',
      ],
    ],
  ),
  ...breaks(
    'src/log/ingest.ts',
    ['test/log/ingest-bridge.test.ts'],
    [
      [
        'what is known and not forwarded is not handed over either',
        "if (isBrought && verdict !== 'accept') outbound.notFrom(id, from)",
        '',
      ],
      [
        'what another gateway stored does not cross',
        "if (isBrought && verdict === 'accept' && entry?.known === true) carry(entry.message)",
        '',
      ],
      [
        'a bridge does not note which network brought a message',
        'const from = engine.bridge === undefined ? undefined : network',
        'const from = undefined',
      ],
      ['what was fetched goes back to its network', 'for (const network of networks) outbound.cameFrom(id, network)', 'void id'],
      ['what was fetched counts as live in its network', 'firstSeenAt < age() - newsMs', 'firstSeenAt < age() + newsMs'],
    ],
  ),
  ...breaks(
    'src/log/appender.ts',
    ['test/log/ingest-bridge.test.ts'],
    [
      ['what others wrote is lost with a batch that seemed to fail', 'engine.bridge === undefined ? [] : idsOf(others)', '[]'],
      ['a network is handed later messages before it has forwarded earlier ones', '&& batch.some(', '&& !batch.some('],
    ],
  ),
  ...breaks(
    'src/engine/both/interest.ts',
    ['test/engine/both/interest.test.ts'],
    [
      ['bridges keep each other’s subscriptions', '.filter((peerId) => !isBridge(peerId))', ''],
      ['a topic that may not be carried is subscribed to', 'if (!mayCarry(topic) || ', 'if ('],
      ['a name that is no topic is subscribed to', ' || topicProblem(topic) !== undefined) return', ') return'],
      [
        'any number of topics is subscribed to for the other network',
        'if (isNew && !(hasRoom() || (await displace(wanters)))) return wasRefused ? undefined : onFull()',
        '',
      ],
      ['a subscription that failed is not tried again', 'refused.set(topic, undefined)\n    if (isNew &&', 'if (isNew &&'],
      ['own topics do not push out others', 'await makeRoom()', ''],
      ['all others give way to one own topic', 'borrowed().slice(Math.max(0, maxTopics - own.size))', 'borrowed()'],
      ['a topic that gave way does not come back', 'wanted.delete(topic)\n    refused.set(topic, undefined)', 'wanted.delete(topic)'],
      ['one peer keeps all places', 'if (topic !== undefined) await giveUp(topic)\n    return topic !== undefined', 'return topic === ""'],
      ['all topics without room are considered at once', ' && ++considered > maxConsidered', ' && considered > maxConsidered'],
      ['a topic that nobody wants is kept', 'performance.now() - at >= keptMs', 'performance.now() < 0'],
      ['a topic is dropped with its last subscriber', 'performance.now() - at >= keptMs', 'performance.now() >= at'],
      [
        'an own topic ends with its last subscriber',
        'if (!own.has(topic)) await engine.unsubscribe(topic)',
        'await engine.unsubscribe(topic)',
      ],
      ['what others want ends with the node’s own subscription', 'else if (!wanted.has(topic)) await', 'else await'],
      ['a stopped bridge goes on watching', 'unlisten?.()\n', ''],
      ['what came at the last moment of a subscription does not wait', ' || ended.has(topic)', ''],
    ],
  ),
  ...breaks(
    'src/engine/both/wanted-topics.ts',
    ['test/engine/both/interest.test.ts'],
    [
      ['a topic counts to any of its subscribers', 'ofHost(a) - ofHost(b) || peers.count(a) - peers.count(b)', '0'],
      [
        'topics go from peer to peer without end',
        'largest.length > (held.get(mine)?.length ?? 0) + 1',
        'largest.length >= (held.get(mine)?.length ?? 0)',
      ],
      ['the keys of one address take all topics', 'newestOf(some, (wanted) => wanted.host, host) ?? ', ''],
    ],
  ),
  ...breaks(
    'src/engine/both/interest-beyond.ts',
    ['test/engine/both/interest-beyond.test.ts'],
    [
      ['bridges that are linked in both networks want of each other', 'isBridge(peer) && !isInBoth(peer)', 'isBridge(peer)'],
      ['what clients of a bridge follow is not wanted', 'own.has(topic) || ', ''],
      ['a bridge asks no bridges beyond', 'open.length === 0 || question.hops === 0', 'true'],
    ],
  ),
  ...breaks(
    'src/engine/bridge/bridged-routing.ts',
    ['test/engine/bridge/routing.test.ts'],
    [['a record is believed', '        await validateRecord(key, record)\n', '']],
  ),
  ...breaks(
    'src/engine/bridge/dht-answering.ts',
    ['test/engine/bridge/routing.test.ts'],
    [['a bridge asks the network of the asker', 'isIn(network, from)) ? [] : [network]', 'isIn(network, from)) ? [network] : []']],
  ),
  ...breaks(
    'src/engine/bridge/dht-answering.ts',
    ['test/engine/bridge/dht-beyond.test.ts'],
    [
      ['all searches of the DHT are known for good', '({ max: maxKnown, waitMs: copyMs })', '({ max: 1_000_000, waitMs: copyMs })'],
      ['all bridges search the DHT', 'createBridgeChoice({ max: maxBridges })', 'createBridgeChoice({ max: 1_000 })'],
      ['a search of the DHT goes as far as it likes', 'hops: hops - 1', 'hops'],
      ['a search of the DHT takes as long as it likes', ' || timeoutMs <= 0', ''],
      ['a false record hides others', ' || !(await proves(key, record))', ''],
      ['one bridge fills the list of providers', 'place < maxProviders; place++', 'place < 0; place++'],
    ],
  ),
  ...breaks(
    'src/engine/both/both-engine.ts',
    ['test/engine/both/bridge.test.ts'],
    [
      ['a bridge is not known as one', 'await onBoth((engine) => beyond.answerIn(engine))', 'void beyond'],
      ['a failed start leaves one network open', 'await stopBoth()\n      throw error', 'throw error'],
      ['a network does not know which messages wait', 'isHeld.call(inbound, message)', 'isHeld.length < 0'],
      ['nobody learns which network brought a message', 'inbound.onMessage(message, each.kind)', 'inbound.onMessage(message)'],
    ],
  ),
  ...breaks(
    'src/engine/both/linked-peers.ts',
    ['test/engine/both/linked-peers.test.ts'],
    [
      ['a peer connects with each link', "type: wasLinked ? 'peer:update' : 'peer:connect'", "type: 'peer:connect'"],
      ['a peer disconnects with its first link', 'return left === undefined ? event :', 'return left !== undefined ? event :'],
      ['a peer that one network relays counts as relayed', 'bestPath(views)?.path ?? first.path', 'first.path'],
    ],
  ),
  ...breaks(
    'src/engine/recipients.ts',
    ['test/log/outbound-bridge.test.ts'],
    [['a peer on two networks counts twice', 'sum - (onSeveral.get(topic) ?? 0)', 'sum']],
  ),
  ...breaks(
    'src/catch-up/history-service.ts',
    ['test/catch-up/history-service.test.ts'],
    [
      ['a bridge lists what it does not carry', 'outline.entries.filter(isServed)', 'outline.entries'],
      ['a bridge gives what it does not carry', 'historyBatchBytes)).filter(isServed)', 'historyBatchBytes))'],
      ['a bridge serves nothing of its own that it does not carry', ' || authorOf(id) === engine.peerId', ''],
    ],
  ),
]

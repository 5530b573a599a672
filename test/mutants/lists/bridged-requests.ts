import { breaks } from '../patch.ts'

const requests = ['test/engine/bridge/requests.test.ts']
const hostile = ['test/engine/bridge/hostile-bridge.test.ts']
const falseBridges = ['test/engine/bridge/false-bridges.test.ts']
const gateways = ['test/engine/bridge/gateways.test.ts']
const limits = ['test/engine/bridge/limits.test.ts']
const several = ['test/engine/bridge/several-bridges.test.ts']
const searching = ['test/engine/bridge/searching.test.ts']

/** Requests through a bridge: what makes them safe from it, and what bounds them. */
export const bridgedRequests = [
  ...breaks('src/direct/courier.ts', gateways, [
    [
      'a recipient is dialled before a bridge is asked',
      'maxAnswerBytes: maxDirectBatch, bridged: true }',
      'maxAnswerBytes: maxDirectBatch }',
    ],
  ]),
  ...breaks('src/direct/direct-inbox.ts', gateways, [
    ['direct messages are taken from links only', ',\n        bridged: true', ''],
    ['authors behind a bridge have no bound', 'via ?? from', 'from'],
  ]),
  ...breaks(
    'src/services/services.ts',
    [...gateways, 'test/services/bridged.test.ts'],
    [
      ['services are asked on links only', 'maxAnswerBytes: maxBytes, bridged: true }', 'maxAnswerBytes: maxBytes }'],
      ['authors behind a bridge have a turn each', 'via ?? author', 'author'],
    ],
  ),
  ...breaks('src/peers/peers.ts', gateways, [
    ['a bridged peer is not kept', 'if (!bridgedPaths.note(event.peerId, event.via, event.beyond)) break', 'break'],
  ]),
  ...breaks('src/peers/peer-view.ts', gateways, [
    ['a bridged path is not shown', "connected?.path ?? (bridged && { by: 'bridge', ...bridged })", 'connected?.path'],
  ]),
  ...breaks(
    'src/peers/bridged-paths.ts',
    ['test/peers/bridged-paths.test.ts'],
    [
      ['a path is shown for ever', ' || now() - path.at >= shownMs', ''],
      ['each answer is news', 'if (isSame && now() - known.at < notedMs) return false', ''],
      ['another bridge is no news', 'known?.via === bridge &&', 'known !== undefined &&'],
      ['each note begins a path', 'isSame ? known.since : wallNow()', 'wallNow()'],
    ],
  ),
  ...breaks('src/engine/bridge/envelopes.ts', hostile, [
    ['anybody may answer', 'if (signer !== from) throw', 'if (signer === "") throw'],
    ['any answer will do', 'if (Buffer.compare(answer.question, hashOf(question)) !== 0)', 'if (answer.question.length === 0)'],
  ]),
  ...breaks('src/engine/bridge/sealing.ts', hostile, [
    ['a request is sent as it is', 'const encrypted = [cipher.update(text), cipher.final()]', 'const encrypted = [text, cipher.final()]'],
    ['another may sign the box', '`peergate-bridged ${from} ${to}`', '`peergate-bridged ${from.length} ${to}`'],
  ]),
  ...breaks('src/engine/bridge/answering.ts', hostile, [
    ['a request begins again', "if (known.has(id)) throw new Error('the request is known')", ''],
  ]),
  ...breaks('src/engine/bridge/answering.ts', limits, [
    ['a peer takes what is for another', 'if (to !== peerId) throw', 'if (to === "") throw'],
    ['what is remembered has no bound', 'const place = places.take(bridge)', 'const place = places.hold(bridge, 1)'],
    ['nothing is forgotten', 'if (until > now()) return', 'if (until > 0) return'],
    ['a request is forgotten while it could begin', 'until: now() + beginMs + driftMs, place', 'until: now() + 1, place'],
    ['any run will do', 'Buffer.compare(asked, run) !== 0 ||', 'asked.length !== run.length ||'],
    ['a request begins whenever it comes', ' || until < now()', ''],
    ['a request may come after it was forgotten', ' || until > now() + beginMs + driftMs', ''],
    ['who is not admitted is answered', 'options.admits?.(from) === false || ', ''],
    ['a body has any size', ' || body.length > options.maxRequestBytes', ''],
    ['places are those of an author', '{ peerId: from, host: bridge }', '{ peerId: from, host: from }'],
  ]),
  ...breaks('src/engine/bridge/answering.ts', requests, [
    ['a blocked author is answered', ' || isBlocked(from)', ''],
    ['who has brought it is not said', 'signal, via: bridge', 'signal'],
  ]),
  ...breaks('src/engine/bridge/carrying.ts', limits, [
    ['a bridge carries any number', 'using place = places.take(to)', 'using place = places.hold(to, 1)'],
    ['one peer may have all places', ', maxPerHolder: limits.maxRequestsToPeer', ''],
  ]),
  ...breaks('src/engine/bridge/beside.ts', requests, [
    [
      'a bridge carries within a network',
      'linked.filter(({ networks }) => !networks.some((network) => asker.networks.includes(network)))',
      'linked',
    ],
  ]),
  ...breaks('src/engine/bridge/carrying.ts', several, [
    ['a route may lead back', 'if (route.includes(engine.peerId)) return', 'if (to === "") return'],
  ]),
  ...breaks('src/engine/bridge/carry.ts', several, [
    ['a route may name a bridge twice', '.refine((route) => new Set(route).size === route.length)', ''],
    ['a route has any length', '.max(maxBridgesOnWay - 1)\n  .refine', '.max(1_000)\n  .refine'],
  ]),
  ...breaks('src/engine/bridge/asking.ts', several, [
    ['a request goes where the first bridge likes', '{ route: beyond }', '{ search: newSearch() }'],
    ['bridges without a link are not asked further', 'const far = await search(unlinked,', 'const far = await search([],'],
    ['a search in vain is repeated at once', 'performance.now() + notFoundMs', '0'],
    ['a search in vain is never repeated', 'performance.now() + notFoundMs', 'Infinity'],
  ]),
  ...breaks(
    'src/engine/bridge/asking.ts',
    ['test/engine/bridge/asking.test.ts'],
    [['all searches in vain are remembered', '({ max: maxNotFound })', '({ max: 1_000_000 })']],
  ),
  ...breaks('src/engine/bridge/searches.ts', searching, [
    ['a search comes back and goes round', 'there.hops >= hops && there.timeoutMs >= timeoutMs', 'false'],
    ['who sends a search ahead ends it', 'there.hops >= hops && ', ''],
    ['who sends a search ahead hides what it finds', 'return await foundBy(there)', 'return undefined'],
    ['what was searched for has no bound', 'new BoundedMap<string, Known<Found>>({ max })', 'new Map<string, Known<Found>>()'],
  ]),
  ...breaks('src/engine/bridge/searching.ts', searching, [
    ['all searches are known for good', '({ max: maxKnown, waitMs: copyMs })', '({ max: 1_000_000, waitMs: copyMs })'],
    ['any number is in progress', 'using place = places.take(from)', 'using place = places.hold(from, 1)'],
    ['requests are searched for', "question?.type === 'ticket' && question.to === to", 'question?.to === to'],
    ['any ticket will do', 'question.to === to', 'question.to !== ""'],
    ['all bridges are asked', 'createBridgeChoice({ max: maxBridges })', 'createBridgeChoice({ max: 1_000 })'],
    ['bridges go on when the ticket is there', 'enough.abort()\n', ''],
    ['a search goes as far as it likes', 'hops: hops - 1', 'hops'],
    ['a search takes as long as it likes', 'Math.min(timeoutMs, searchMs) - hopMs', 'timeoutMs - hopMs'],
    ['a way may be too long', 'beyond.length <= (carry.search?.hops ?? 0) && ', ''],
    ['a way may go round', '!beyond.includes(bridge) && ', ''],
    ['a way may lead back', ' && !beyond.includes(engine.peerId)', ''],
  ]),
  ...breaks('src/engine/bridge/bridge-choice.ts', falseBridges, [
    ['bridges have no turns', 'for (const peerId of chosen) askedAt.set(peerId, turn)', ''],
    ['bridges that were dialled have no places of their own', "direction === 'outbound' ? 1 : 2", '1'],
    ['bridges that bring something have no places of their own', 'useful.has(peerId) ? 0 : ', ''],
    [
      'useful bridges have all places',
      'bridges.flatMap((_, place) => kinds.flatMap((each) => each[place]?.peerId ?? []))',
      'kinds.flat().map(({ peerId }) => peerId)',
    ],
  ]),
  ...breaks(
    'src/engine/bridge/asking.ts',
    [...hostile, ...falseBridges],
    [
      ['a bridge that has failed is asked again first', 'failed.set(`${bridge} ${to}`, performance.now() + failedMs)', ''],
      ['a silent bridge is asked each time', 'if (deadline.isOver) silent.set(bridge, performance.now() + silentMs)', ''],
      ['a silent bridge is never asked again', '(silent.get(bridge) ?? 0) <= performance.now()', '!silent.has(bridge)'],
    ],
  ),
  ...breaks('src/engine/bridge/asking.ts', requests, [
    ['a stale ticket is the end', 'const maxAttempts = 2', 'const maxAttempts = 1'],
    ['nobody hears of the way', 'onAnswered(to, route.bridge, route.beyond)\n', ''],
  ]),
  ...breaks('src/engine/bridge/asking.ts', limits, [
    ['any number of requests is at one bridge', 'createSemaphores({ max: limits.maxRequestsToPeer,', 'createSemaphores({ max: 1_000_000,'],
    ['an answer has any size', 'if (said.text.length > maxAnswerBytes) throw', 'if (said.text.length < 0) throw'],
  ]),
  ...breaks('src/engine/bridge/with-bridges.ts', requests, [
    ['every request may go through a bridge', ' || options.bridged !== true', ''],
    ['a blocked peer is asked', ' || blocked.has(other)', ''],
    ['every handler answers bridges', 'if (options.bridged === true) answering', 'if (options.maxConcurrent > 0) answering'],
  ]),
]

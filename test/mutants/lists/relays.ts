import { breaks } from '../patch.ts'

/** How a hidden libp2p node gets and keeps its relays. */
export const relays = [
  ...breaks(
    'src/engine/libp2p/reach/relay-client.ts',
    ['test/engine/libp2p/reach/relay-client.test.ts'],
    [
      ['a refusal is a reservation', 'if (status !== relayStatus.ok)', 'if (status < 0)'],
      ['the clock of a relay is believed', 'Math.min(Math.max(halfMs, renewal.leastMs), renewal.mostMs)', 'halfMs'],
      ['addresses of others are announced', 'isOfRelay && ', ''],
      ['addresses that a relay may not tell are announced', ' && policy.mayTell(text, tellerOf(connection))', ''],
      ['any number of addresses is announced', '.slice(0, maxAddresses)', ''],
      ['the address that a peer dialled from is announced', "connection.direction === 'outbound' ? ", "connection.direction !== 'none' ? "],
      ['a relay that carries nothing has proved itself', 'return isMissing ? false : undefined', 'return isMissing ? true : undefined'],
      ['a circuit over any relay is a proof', 'proofs.get(relay)\n      if', '[...proofs.values()][0]\n      if'],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/reach/relay-keeper.ts',
    ['test/engine/libp2p/reach/relay-keeper.test.ts'],
    [
      ['one relay is enough', "need() === 'seek' && held.size < wantedRelays", "need() === 'seek' && held.size < 1"],
      ['a relay is used that carries nothing', '      await proven(peerId)\n      // The link', '      // The link'],
      ['a peer that refused is asked at once', '(refused.get(peerId)?.notBefore ?? 0) <= now()', 'now() >= 0'],
      ['a relay that could not be heard is dropped', 'if (hasMissed(begun)) relay.proveAt = now()', 'if (begun < 0) relay.proveAt = now()'],
      ['a relay that is silent for as long as this process was is kept', '(now() - since) / 2', '(now() - since)'],
      ['a relay that goes is kept', "if (!linked.includes(peerId)) drop(peerId, new Error('its link has ended'))", ''],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/reach/relay-search.ts',
    ['test/engine/libp2p/reach/relay-search.test.ts'],
    [
      ['a search dials any number of peers', 'if (++dials >= maxDialled) return', 'dials++'],
      ['all are dialled at once', 'if (running.size >= maxConcurrent) await Promise.race(running)', ''],
      ['searches follow without pauses', 'isMissing() && now() >= notBefore', 'isMissing()'],
      ['a peer is dialled in each search', ' && now() - (dialledAt.get(peerId) ?? Number.NEGATIVE_INFINITY) >= againMs', ''],
    ],
  ),
  ...breaks(
    'src/engine/libp2p/reach/lost-circuits.ts',
    ['test/engine/libp2p/reach/lost-circuits.test.ts'],
    [
      ['any number of peers is sought', ' || sought.size >= maxSought', ''],
      ['a peer is sought for ever', 'attempts < maxAttempts', 'attempts >= 0'],
      ['a link that the peer has ended is opened again', '(attempts === 0 && isLinked(relay))', 'false'],
    ],
  ),
]

import { breaks } from '../patch.ts'

/** The Delegated Routing API: what strangers ask, and what caches keep. */
export const delegatedRouting = [
  ...breaks(
    'src/dht/delegated-routing.ts',
    ['test/dht/delegated-routing.test.ts'],
    [
      ['content is a peer', 'if (code !== libp2pKeyCodec)', 'if (code < 0)'],
      ['a peer id in base58 is no key', 'if (!isBase58Multihash(text)) return', 'if (text !== "") return'],
      [
        'a peer id that cannot be read is an error of the gateway',
        "throw new InvalidRoutingKey('The path must end in a peer id",
        "throw new Error('The path must end in a peer id",
      ],
      [
        'content that cannot be read is an error of the gateway',
        "throw new InvalidRoutingKey('The path must end in a CID",
        "throw new Error('The path must end in a CID",
      ],
      ['a filter has any number of names', 'names.length > maxNames || ', ''],
      ['a filter is read to its end', "split(',', maxNames + 1)", "split(',', maxNames)"],
      ['names of a filter have any length', "names.some((name) => name.replace(/^!/, '').length > maxNameLength)", 'names.length < 0'],
      ['the mark of an unwanted name counts as a character', ".replace(/^!/, '').length", '.length'],
      ['names of a filter are compared by case', 'list.toLowerCase().split', 'list.split'],
      ['what is not wanted is told', 'if (has.some((name) => unwanted.has(name))) return false\n', ''],
      ['what is wanted besides is left out', 'wanted.size === 0 || has.some', 'has.some'],
      ['a peer whose addresses are all left out is told', 'return isOmitted ? undefined : {', 'return {'],
      [
        'a peer without addresses is told to those who want addresses',
        "!(addresses.length === 0 && wanted.has('unknown'))",
        '!(addresses.length === 0)',
      ],
      ['protocols that are not known are told', "if (protocols.length > 0 && !protocols.includes('unknown')) return undefined\n", ''],
      ['addresses end in the peer itself', "last?.name === 'p2p' && last.value === peerId", "last?.name === ''"],
    ],
  ),
  ...breaks(
    'src/http/routes/delegated-routing.ts',
    ['test/http/delegated-routing.test.ts'],
    [
      ['lookups need no token', "action: openRouting ? 'none' : 'dht'", "action: 'none'"],
      ['pages of every origin look up', 'anyOrigin: openRouting', 'anyOrigin: true'],
      ['everybody publishes names', "          ...shared,\n          action: 'dht',", "          ...shared,\n          action: 'none',"],
      ['an answer for a token is kept for all', "init.openRouting === true ? 'public' : 'private'", "'public'"],
      ['an empty answer is fresh for as long as one with records', "freshSeconds[isEmpty ? 'empty' : 'found']", 'freshSeconds.found'],
      ['a DHT that cannot be asked has no such peer', 'if (!(error instanceof PeerNotFound)) throw error\n', ''],
      [
        'records are answered to those who do not take them',
        "if (!/application\\/vnd\\.ipfs\\.ipns-record|\\*\\/\\*/.test(headers.accept ?? ''))",
        'if (headers.accept === undefined)',
      ],
      ['a name is published without a record', 'if (body === undefined) throw', 'if (params.name === "") throw'],
      ['a lookup costs nothing', '  cost: 100,\n', '  cost: 1,\n'],
      [
        'filters are not applied',
        'if (left !== undefined) yield left',
        "yield left ?? { Schema: 'peer' as const, ID: peer.peerId, Addrs: [], Protocols: [] }",
      ],
      ['a DHT without names is an error of the gateway', 'if (!(error instanceof DhtNamespaceUnsupported)) throw error\n', 'throw error\n'],
    ],
  ),
  ...breaks(
    'src/http/routes/delegated-routing.ts',
    ['test/engine/libp2p/delegated-routing.test.ts'],
    [
      ['a name that is not found is an error', 'if (error instanceof RecordNotFound) return undefined\n', ''],
      ['a record that is not valid is an error of another kind', 'if (!(error instanceof InvalidRecord)) throw error\n', 'throw error\n'],
      ['a record is fresh for as long as any other', 'ttlSeconds > 0 ? ttlSeconds : defaultTtlSeconds', 'defaultTtlSeconds'],
      ['a record that a client has is sent again', "matchesTag(headers['if-none-match'], etag) ?", 'etag === "" ?'],
    ],
  ),
]

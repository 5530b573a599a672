import { breaks } from '../patch.ts'

export const model = [
  ...breaks(
    'src/model/validation.ts',
    ['test/http/plain-words.test.ts', 'test/http/publish.test.ts'],
    [
      ['clients read the words of the library', 'schema.safeParse(value, { error: issueText })', 'schema.safeParse(value)'],
      ['an unknown field is named without its place', 'path: [...path, key]', 'path: [key]'],
    ],
  ),
  ...breaks(
    'src/lib/json-pointer.ts',
    ['test/lib/issue-text.test.ts'],
    [['a slash in a name divides a pointer', ".replaceAll('/', '~1')", '']],
  ),
  ...breaks(
    'src/http/json-schema.ts',
    ['test/http/json-schema.test.ts', 'test/http/documents.test.ts'],
    [
      ['null is a choice', "type: [known.type, 'null']", 'type: known.type'],
      ['every integer fits 32 bits', "<= maxInt32 ? 'int32' : 'int64'", "<= maxInt32 ? 'int32' : 'int32'"],
    ],
  ),
  ...breaks(
    'src/http/operation.ts',
    ['test/http/plain-words.test.ts'],
    [['an operation does not list the code of its peer id', "invalid_peer_id: ['PeerId']", 'invalid_peer_id: []']],
  ),
  ...breaks(
    'src/model/signed-message.ts',
    ['test/model/signed-message.test.ts'],
    [
      [
        'a key need not belong to the author',
        'if (key === undefined || !peerIdFromPublicKey(key).equals(peerId)) return false',
        'if (key === undefined) return false',
      ],
      ['an id is taken in any spelling', 'if (peerId.toString() !== message.from) return false', ''],
      [
        'a key is taken in any spelling',
        'return Buffer.compare(publicKeyToProtobuf(key), publicKey) === 0 ? key : undefined',
        'return key',
      ],
      ['absent data may be there', 'if (message.dataAbsent === true && message.data.length > 0) return false', ''],
      ['a sequence may have any length', 'if (message.sequence.length !== 8) return false', ''],
      [
        'absent data signs like empty data',
        'if (message.dataAbsent !== true) pushField(parts, tag.data, message.data)',
        'pushField(parts, tag.data, message.data)',
      ],
      ['the topic is not signed', "pushField(parts, tag.topic, Buffer.from(message.topic, 'utf8'))", ''],
      ['lengths from 128 on are written wrong', 'for (; length >= 0x80;', 'for (; length > 0x80;'],
      [
        'any signature does',
        "return key.type === 'Ed25519' ? ed25519.verifier(key.raw)(bytes, message.signature) : key.verify(bytes, message.signature)",
        'return bytes.length > 0',
      ],
    ],
  ),
  ...breaks(
    'src/model/signed-envelope.ts',
    ['test/model/dht-record.test.ts', 'test/model/direct-message.test.ts'],
    [
      [
        'the envelope is of another kind opens',
        "if (Buffer.compare(envelope.payloadType, Buffer.from(payloadType)) !== 0) throw new Error('the envelope is of another kind')",
        '',
      ],
      [
        'an envelope has many spellings',
        "if (Buffer.compare(envelope.marshal(), bytes) !== 0) throw new Error('the envelope is not in canonical encoding')",
        '',
      ],
    ],
  ),
  ...breaks(
    'src/model/dht-record.ts',
    ['test/model/dht-record.test.ts'],
    [
      [
        'a value need not hash to its key',
        "if (createHash('sha256').update(record).digest('hex') !== key.hash)",
        "if (createHash('sha256').update(record).digest('hex') === '')",
      ],
      ['a record of another owner opens', 'if (signer !== owner || content.name !== name)', 'if (content.name !== name)'],
      ['a record of another name opens', 'if (signer !== owner || content.name !== name)', 'if (signer !== owner)'],
      [
        'a record has many spellings',
        "if (Buffer.compare(encode(content), payload) !== 0) throw new Error('it is not in canonical encoding')",
        '',
      ],
      ['an old record replaces a new one', 'return newer.sequence > older.sequence', 'return newer.sequence < older.sequence'],
      ['any of two equals stays', 'return Buffer.compare(next, there) > 0', 'return true'],
      [
        'an owner has many spellings',
        'if (peerIdFromString(text).toString() === text) return text',
        'peerIdFromString(text)\n    return text',
      ],
    ],
  ),
  ...breaks(
    'src/model/cursor.ts',
    ['test/model/cursor.test.ts'],
    [['a number beyond 2^53 is a cursor', '(0|[1-9][0-9]{0,14})', '(0|[1-9][0-9]{0,15})']],
  ),
  ...breaks(
    'src/model/topic.ts',
    ['test/model/topic.test.ts', 'test/model/grant.test.ts'],
    [
      ['a topic is any text', 'return textProblem(text)', 'return undefined'],
      ['the contract allows the topic "."', '`\\\\.{0,2}${ofLevel}${ofTopic}*', '`${ofTopic}+'],
      ['a pattern is a topic', `(isPattern(topic) ? 'must not contain "*" or ">"' : undefined)`, 'undefined'],
      ['a pattern matches direct messages', '(topic !== directTopic && filter', '(filter'],
      ['length is counted in characters', 'encoder.encode(text).length > maxTopicBytes', 'text.length > maxTopicBytes'],
    ],
  ),
  ...breaks(
    'src/model/topic-pattern.ts',
    ['test/model/topic-pattern.test.ts', 'test/model/topic.test.ts'],
    [
      ['a pattern may have wildcards that never match', 'if (isValid) return isPattern', 'if (levels.length > 0) return isPattern'],
      ['a last level may be missing', 'return end === pattern.length && otherEnd', 'return otherEnd'],
      ['a star covers all that follows', "level === '*' ? otherLevel === '>' :", "level === '*' ? otherLevel === undefined :"],
      ['a literal level is any level', 'level !== otherLevel) return false', 'level === otherLevel && level === undefined) return false'],
      ['a prefix includes the first wildcard', 'pattern.slice(0, at)\n}', 'pattern.slice(0, at + 1)\n}'],
    ],
  ),
  ...breaks(
    'src/model/text.ts',
    ['test/model/topic.test.ts', 'test/model/text.test.ts'],
    [
      ['a character of two units is two', '> 0xffff ? 2 : 1', '> 0xffff ? 1 : 1'],
      [
        'text may have control characters',
        "return text.search(control) === -1 ? undefined : 'must not contain control characters'",
        'return undefined',
      ],
      ['text may have a lone surrogate', 'if (!text.isWellFormed())', 'if (text === undefined)'],
    ],
  ),
  ...breaks(
    'src/model/payload.ts',
    ['test/model/payload.test.ts'],
    [
      ['base64 has many spellings', "|| bytes.toString('base64') !== data", ''],
      ['JSON data may have what parsers refuse', 'if (problem !== undefined) throw', 'if (problem === value) throw'],
    ],
  ),
  ...breaks(
    'src/model/json-value.ts',
    ['test/model/payload.test.ts'],
    [
      ['a number that became infinite is stored as null', 'return Number.isFinite(value) ?', 'return value !== undefined ?'],
      ['a key may have a lone surrogate', 'firstProblem(keys, depth + 1) ?? firstProblem', 'firstProblem'],
      ['JSON of any depth is walked', 'if (depth === maxJsonDepth)', 'if (depth < 0)'],
    ],
  ),
  ...breaks(
    'src/model/json-scan.ts',
    ['test/model/json-scan.test.ts'],
    [
      ['JSON text of any depth is embedded', 'if (ends.length === maxJsonDepth) return false', ''],
      ['JSON text may be cut', 'if (ends.length === 0) return at === text.length', 'if (ends.length === 0) return true'],
      ['JSON text may have control characters', 'if (code < space) return -1', ''],
      ['JSON text may have numbers that common parsers refuse', 'Number.isFinite(Number(text.slice(from, end))) ? end : -1', 'end'],
      ['an array may end with a brace', 'text.charCodeAt(at) === ends.at(-1)', 'text.charCodeAt(at) % space === 0x1d'],
    ],
  ),
  ...breaks(
    'src/model/validator.ts',
    ['test/validation/validator-registry.test.ts', 'test/validation/validators.test.ts'],
    [
      ['the mildest verdict counts', 'return more > 0 ||', 'return more < 0 ||'],
      ['the shortest deadline holds', 'Math.max(one.deadlineMs, other.deadlineMs)', 'Math.min(one.deadlineMs, other.deadlineMs)'],
    ],
  ),
  ...breaks(
    'src/model/signed-message-codec.ts',
    ['test/model/signed-message-codec.test.ts'],
    [
      [
        'a message between gateways has a sequence of any length',
        'sequence: bytes({ min: sequenceLength, max: sequenceLength })',
        'sequence: bytes()',
      ],
      ['a message between gateways has a signature of any length', 'signature: bytes({ max: maxSignatureBytes })', 'signature: bytes()'],
      [
        'a message between gateways loses its key',
        '...(dataAbsent === true && { dataAbsent }), ...(publicKey && { publicKey }) }',
        '...(dataAbsent === true && { dataAbsent }) }',
      ],
    ],
  ),
]

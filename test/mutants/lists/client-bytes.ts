import { breaks } from '../patch.ts'

/** What clients send, counted from its first byte: connections of HTTP, and frames of streams. */
export const clientBytes = [
  ...breaks(
    'src/http/connections.ts',
    ['test/http/connections.test.ts'],
    [
      ['one address has all connections', 'holder.open >= maxPerAddress && !giveUpOne(holder.idle)', 'holder.open < 0'],
      ['the addresses of an IPv6 network are others', 'networkOf(address)', 'address'],
      ['a trusted proxy has the share of an address', ' && !isTrusted(address)', ''],
      ['this host has the share of an address', '!isLocal && !isTrusted', '!isTrusted'],
      ['this host has no connections of its own', 'isLocal ? max + maxLoopback : max', 'max'],
      ['an address gives up the connections of others', 'giveUpOne(holder.idle)', 'giveUpOne(idle)'],
      ['a connection that waits for an answer goes', 'connection.unanswered++\n    wake(connection)', 'connection.unanswered++'],
      ['an upgraded connection goes', 'if (connection !== undefined) begin(connection)', ''],
      ['a connection that was answered is never idle', 'if (connection.unanswered === 0 && connections.has(socket)) rest(connection)', ''],
      ['a connection that has gone is idle', ' && connections.has(socket)) rest', ') rest'],
      ['a connection is idle with requests unanswered', 'if (connection.unanswered === 0 && connections', 'if (connections'],
      ['a connection takes any number of requests at once', 'connection.unanswered > maxUnanswered &&', 'false &&'],
      ['an address that floods comes back at once', 'if (flooders.has(address)) return false', ''],
      ['connections that have gone keep their place', "socket.once('close', () => remove(connection))", ''],
      [
        'a connection that was given up counts twice when it closes',
        'if (!connections.delete(socket)) return',
        'connections.delete(socket)',
      ],
      [
        'what was reset before it was taken up takes a place',
        '      socket.destroy()\n      return\n    }\n    if (!admits',
        '    }\n    if (!admits',
      ],
    ],
  ),
  ...breaks(
    'src/http/request-turns.ts',
    ['test/http/request-turns.test.ts'],
    [
      [
        'pipelined requests are handled at once',
        'pipelines.get(socket)\n    if (pipeline === undefined)',
        'pipelines.get(socket)\n    if (true || pipeline === undefined)',
      ],
      [
        'the addresses of an IPv6 network have a turn each',
        "networkOf(exchange.request.socket.remoteAddress ?? '')",
        "exchange.request.socket.remoteAddress ?? ''",
      ],
      ['requests of connections that have ended are handled', 'if (socket.destroyed) {', 'if (false) {'],
    ],
  ),
  ...breaks(
    'src/http/rest-of-body.ts',
    ['test/http/rest-of-body.test.ts'],
    [
      ['a refused body has no end', 'if (left < 0) request.socket.destroy()', ''],
      ['pieces of a refused body cost nothing', 'chunk.length + pieceBytes', 'chunk.length'],
      ['a refused body is not charged', 'charge(costOfBytes(unpaid))', ''],
    ],
  ),
  ...breaks(
    'src/http/request-bytes.ts',
    ['test/http/rest-of-body.test.ts'],
    [
      ['a body without a reader ends the process', 'adopt(body)', ''],
      ['the rest of a refused body is never read', 'if (reply.raw.writableEnded) payload.resume()', ''],
    ],
  ),
  ...breaks(
    'src/stream/frame-meter.ts',
    ['test/stream/frame-meter.test.ts'],
    [
      ['a message is as long as its last frame', 'this.#messageBytes += this.#left', 'this.#messageBytes = this.#left'],
      ['empty frames cost nothing', '(this.#messageFrames++ === 0 ? 0 : fragmentBytes)', '(this.#messageFrames++ === 0 ? 0 : 0)'],
      ['pings are part of a message', '(first & control) !== 0', 'first === 0'],
      ['a ping ends the message', '      this.#isLast = false\n      return', '      return'],
      ['a message of no bytes has no end', 'if (this.#left === 0 && this.#isLast) this.#end()\n  }', '}'],
      ['messages are one', '    this.#messageBytes = 0\n    this.#messageFrames = 0\n', ''],
      ['a frame without a mask is longer by four bytes', '((second & masked) === 0 ? 0 : 4)', '4'],
      ['a long frame has two bytes of length', 'length === 127 ? 8 : 0', 'length === 127 ? 2 : 0'],
    ],
  ),
  ...breaks(
    'src/stream/incoming.ts',
    ['test/stream/frame-meter.test.ts'],
    [
      ['a frame larger than its client may send is received', 'if (bytes > this.#init.maxBytes()) throw', 'if (bytes < 0) throw'],
      ['each frame of a message takes room for all before', 'bytes - this.#currentBytes', 'bytes'],
      ['small frames take room before they are whole', 'if (bytes <= smallBytes) return\n', ''],
      ['large frames take no room before they are whole', 'if (bytes <= smallBytes) return\n', 'if (bytes > 0) return\n'],
      [
        'room is kept when a frame was refused',
        '      this[Symbol.dispose]()\n      this.#components.onRefused',
        '      this.#components.onRefused',
      ],
      ['nobody is told of a refused frame', '      this.#components.onRefused(error)\n', ''],
      ['room of a frame that is on its way is kept when its client goes', '    this.#current?.dispose()\n', ''],
      [
        'room of frames that nobody took is kept when their client goes',
        'for (const { held } of this.#whole.splice(0)) held?.dispose()',
        '',
      ],
      [
        'a frame holds the room of the one before',
        '    this.#current = undefined\n    this.#currentBytes = 0\n',
        '    this.#currentBytes = 0\n',
      ],
      [
        'a frame pays less by the one before',
        '    this.#current = undefined\n    this.#currentBytes = 0\n',
        '    this.#current = undefined\n',
      ],
    ],
  ),
]

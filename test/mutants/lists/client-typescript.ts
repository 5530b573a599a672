import { breaks } from '../patch.ts'

const tests = (...names: string[]) => names.map((name) => `test/clients-typescript/${name}.test.ts`)

export const clientTypescript = [
  ...breaks('clients/typescript/src/calls.ts', tests('calls', 'repeated-questions'), [
    ['the calls of the client itself are refused by the limit of the application', 'if (call.counts && this.#counted', 'if (this.#counted'],
    ['calls have no limit', 'call.counts && this.#counted >= this.#maxPending', 'false'],
    ['a call that was answered counts for ever', 'if (call?.counts) this.#counted--', ''],
    ['an answered publication is sent again on the next connection', 'this.#take(frame.id)?.answered(frame)', 'call.answered(frame)'],
    ['a request is sent again on the next connection', '.filter(([, call]) => !call.resend)', '.filter(() => false)'],
    ['an error that passes is final', 'frame.retryable === true && call.repeat', 'false'],
  ]),
  ...breaks('clients/typescript/src/back-off.ts', tests('back-off', 'repeated-questions'), [
    ['a gateway can have a call repeated without pause', 'Math.max(asked, repetition.leastMs)', 'asked'],
    ['a gateway can have a call wait for ever', ', repetition.mostMs)', ', Infinity)'],
    ['pauses grow without a maximum', 'Math.min(firstMs * 2 ** Math.min(failures, maxDoublings), lastMs)', 'firstMs * 2 ** failures'],
  ]),
  ...breaks('clients/typescript/src/subscription.ts', tests('subscription', 'repeated-questions', 'work'), [
    ['the question of an ended subscription is repeated', '    this.#giveUp()\n', ''],
    [
      'a subscription that ends at once is asked for at once',
      'if (frame.retryable === true) this.#subscribeLater(frame.retryAfterMs)',
      'if (frame.retryable === true) this.#subscribe()',
    ],
    ['a lost position after the answer is asked for at once', 'wasEarliest || afterAnswer', 'wasEarliest'],
    ['a refused earliest position is asked for at once', 'wasEarliest || afterAnswer', 'afterAnswer'],
    ['a full buffer does not unsubscribe', 'if (this.#isFull()) this.#unsubscribe()', ''],
    ['the buffer has no limit of characters', ' || this.#characters >= this.#limits.characters', ''],
    [
      'frames of an earlier subscription are taken',
      'frame.subscription !== this.#name || this.#name === undefined',
      'this.#name === undefined',
    ],
    [
      'the value that the loop has when it ends is saved',
      '    this.#inHand = undefined\n    this.#entries.length = 0',
      '    this.#handled()\n    this.#entries.length = 0',
    ],
    ['a lost position leaves no gap', 'if (lost !== undefined) this.#put', 'if (false) this.#put'],
    ['after a reconnect it begins at its start', '    this.#position = entry.cursor\n', ''],
    ['caught-up comes with each', "caught-up' && !this.#isCaughtUp", "caught-up'"],
    ['direct messages are not asked for', 'direct, own, encoding }\n', 'own, encoding }\n'],
    ['own messages come although they were not asked for', 'direct, own, encoding }\n', 'direct, encoding }\n'],
  ]),
  ...breaks('clients/typescript/src/registration.ts', tests('repeated-questions', 'work'), [
    ['the start of an ended service is repeated', '    giveUpStart()\n', ''],
    ['a lost connection ends a service', "(codeOf(error) === 'connection_lost' ? undefined : end(error))", 'end(error)'],
  ]),
  ...breaks('clients/typescript/src/service.ts', tests('work'), [
    ['an answer goes out on a later connection', 'if (open.get(requestId) !== controller) return', ''],
    ['a cancelled request is not aborted', 'open.get(frame.requestId)?.abort()', ''],
  ]),
  ...breaks('clients/typescript/src/attempt.ts', tests('hostile-gateway'), [
    ['a silent gateway is never given up', 'if (!this.#isHeard) {', 'if (false) {'],
    [
      'a gateway that does not answer is waited for',
      "setTimeout(() => this.#give(clientError('connect_timeout')), init.connectTimeoutMs)",
      'setTimeout(() => {}, init.connectTimeoutMs)',
    ],
    ['the refusal of a token is lost', 'this.#refusal ?? closedBy(code, reason)', 'closedBy(code, reason)'],
  ]),
  ...breaks('clients/typescript/src/close-codes.ts', tests('hostile-gateway'), [
    ['final close codes are reconnected', 'code >= firstFinal && code <= lastOfGateway', 'false'],
  ]),
]

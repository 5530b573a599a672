import { breaks } from '../patch.ts'

const ofStore = ['test/store/sqlite-store.test.ts']
const ofRoom = ['consumers', 'pulls', 'verdicts', 'workers'].map((name) => `test/consumers/${name}.test.ts`)
const ofJoins = ['test/consumers/consumer-joins.test.ts']
const ofSettlements = ['test/consumers/settlements.test.ts']

export const consumers = [
  ...breaks(
    'src/store/shared/consumer-steps.ts',
    ['test/store/consumer-steps.test.ts', ...ofStore],
    [
      ['a replayed message keeps its attempts', `SET "dueAt" = \${now}, "attempt" = 0`, `SET "dueAt" = \${now}`],
      ['items of a removed consumer stay', '      await clear(name)\n      return', '      return'],
      ['what a crash in a removal has left stays', 'for (const name of await run(gone())) await clear(name)', 'await run(gone())'],
      ['only the first name of items is looked at', 'WHERE n."name" IS NOT NULL)\n', 'WHERE n."name" IS NULL)\n'],
      ['what waits is replayed', `const isParked = sql\`"dueAt" = \${never}\``, 'const isParked = sql`true`'],
      ['parked messages of all consumers are replayed', `WHERE "consumer" = \${name} AND \${isParked}\n`, 'WHERE ${isParked}\n'],
      ['all parked messages are replayed at once', '"seq" LIMIT ${stepItems}', '"seq"'],
    ],
  ),
  ...breaks(
    'src/consumers/pending.ts',
    ['test/consumers/pending.test.ts'],
    [
      ['what is pending costs nothing', 'createRowBudget(pay)', 'createRowBudget(() => undefined)'],
      ['counts of consumers have no queue', 'await counting.take(signal, client)', 'new DisposableStack()'],
    ],
  ),
  ...breaks('src/store/shared/consumer-taking.ts', ofStore, [
    ['more is claimed than maxUnacked allows', 'Math.min(limit, maxUnacked - Number(claimed))', 'limit'],
    ['a claim counts no attempt', `SET "attempt" = "attempt" + 1, "claimedBy"`, `SET "claimedBy"`],
    ['a lane has several claims', `e."seq" < i."seq" OR`, `e."seq" < 0 OR`],
    ['a parked message holds up its lane', ` AND e."dueAt" < \${never}\n`, '\n'],
    ['a replayed message goes beside another of its lane', ` OR e."claimedBy" IS NOT NULL AND e."dueAt" > \${now}`, ''],
    [
      'messages are taken in for another consumer of the name',
      'if (found?.createdAt !== createdAt) return undefined',
      'if (found === undefined) return undefined',
    ],
    [
      'an item whose time ran out is never parked',
      `AND "attempt" >= \${maxDeliveries} \${dialect.free}`,
      `AND "attempt" < 0 \${dialect.free}`,
    ],
    ['a message that comes at another place stops the taking in', 'WHERE true ON CONFLICT DO NOTHING RETURNING', 'WHERE true RETURNING'],
    ['a consumer claims the messages of another', `WHERE i."consumer" = \${name} AND i."dueAt"`, `WHERE i."dueAt"`],
    ['a claim is another consumer’s too', `WHERE "consumer" = \${name} AND \${among(due`, 'WHERE ${among(due'],
    ['lanes of another consumer hold up', `e."consumer" = i."consumer" AND `, ''],
    ['messages of another consumer are parked', `"claim" = NULL WHERE "consumer" = \${name} AND "id" IN`, '"claim" = NULL WHERE "id" IN'],
    ['fresh messages are taken in wherever the position is', 'fresh?.from === found.position ? fresh : undefined', 'fresh'],
    ['claims that have ended take places', 'AND "dueAt" > ${now} AND "dueAt" < ${never}`', 'AND "dueAt" < ${never}`'],
    ['what waits for its next attempt takes a place', 'count("claimedBy"), min', 'count(*), min'],
    ['messages that come in go before those that were due', 'free.slice(0, room - older.length)', 'free.slice(0, room)'],
    [
      'messages without room are claimed',
      'yield* add(name, free.slice(direct.length))',
      'yield* add(name, free.slice(direct.length), query)',
    ],
    ['a message that was there already is claimed again', 'items.filter(({ id }) => ids.has(id)).map', 'items.map'],
  ]),
  ...breaks('src/store/shared/consumers.ts', ofStore, [
    ['a spent item is retried', 'isSpent(item.attempt, maxDeliveries) ? never : ', ''],
    ['who had a message before can retry it', 'if (item.claim !== each.claim) return false', ''],
    ['claims of others are given back', '.get(id)?.claim === claim', '.get(id)?.claim !== undefined'],
    ['a retried message keeps its claim', `isFreed ? sql\`, "claimedBy" = NULL, "claim" = NULL\` : sql\`\``, 'sql``'],
    ['a released attempt counts', `\${uncounted ? 1 : 0}`, `\${uncounted ? 0 : 0}`],
    ['items that other gateways have claimed are released', `AND "claimedBy" = \${by} \${dialect.free}`, '${dialect.free}'],
    [
      'a consumer takes the settings of one that is made again',
      'DO NOTHING RETURNING 1',
      `DO UPDATE SET "settings" = excluded."settings" RETURNING 1`,
    ],
    ['what another client changed meanwhile is overwritten', ' || !isDeepStrictEqual(found.settings, consumer.settings)', ''],
    ['another consumer of the name is changed', 'found?.createdAt !== consumer.createdAt ||', 'found === undefined ||'],
    [
      'an acknowledgement settles another consumer’s',
      `if (removed.length > 0) yield sql\`DELETE FROM "ConsumerItem" WHERE "consumer" = \${name} AND`,
      'if (removed.length > 0) yield sql`DELETE FROM "ConsumerItem" WHERE',
    ],
    [
      'what another consumer has counts as settled',
      `FROM "ConsumerItem" WHERE "consumer" = \${name} AND \${among(ids)}\n      ORDER`,
      'FROM "ConsumerItem" WHERE ${among(ids)}\n      ORDER',
    ],
    ['a verdict on a message of another consumer', `WHERE "consumer" = \${name} AND \${among(group`, 'WHERE ${among(group'],
    ['the last of two verdicts holds', 'item.claim = undefined\n', ''],
    [
      'a worker has messages of another consumer of the name',
      '(yield* find(name))?.createdAt === createdAt ? yield* current(name, claims, sql``) : undefined',
      'yield* current(name, claims, sql``)',
    ],
    [
      'lost messages stay',
      `          yield* noteGap(name, gap)\n          yield sql\`DELETE FROM "ConsumerItem" WHERE "consumer" = \${name} AND \${among(ids)}\``,
      '          yield* noteGap(name, gap)',
    ],
    [
      'messages are lost for another consumer',
      `          yield* noteGap(name, gap)\n          yield sql\`DELETE FROM "ConsumerItem" WHERE "consumer" = \${name} AND`,
      `          yield* noteGap(name, gap)\n          yield sql\`DELETE FROM "ConsumerItem" WHERE`,
    ],
    ['a gap is told without a loss', 'if (first === null || first === undefined) return\n', ''],
    ['a gap is told of every consumer', `"gapTo" = \${gap.to} WHERE "name" = \${name}`, '"gapTo" = ${gap.to}'],
    [
      'all messages before are lost for another consumer',
      `to: through })\n          yield sql\`DELETE FROM "ConsumerItem" WHERE "consumer" = \${name} AND`,
      `to: through })\n          yield sql\`DELETE FROM "ConsumerItem" WHERE`,
    ],
    [
      'one consumer releases the messages of all',
      `\${uncounted ? 1 : 0}\n            WHERE "consumer" = \${name} AND`,
      '${uncounted ? 1 : 0}\n            WHERE',
    ],
    ['what waits is parked', `AND "dueAt" = \${never} AND "seq" > \${after}`, 'AND "seq" > ${after}'],
    ['a page of parked messages begins with the last of the page before', `"seq" > \${after} ORDER`, '"seq" >= ${after} ORDER'],
    [
      'an acknowledgement is for whoever has the name',
      '"name" = ${name} AND "createdAt" = ${createdAt}) RETURNING',
      '"name" = ${name}) RETURNING',
    ],
    [
      'a retry is for whoever has the name',
      'if (consumer?.createdAt !== createdAt) return undefined',
      'if (consumer === undefined) return undefined',
    ],
    ['a message is settled twice', 'verdicts.map(({ id }) => removed.delete(id))', 'verdicts.map(({ id }) => removed.has(id))'],
    [
      'an acknowledgement settles messages of all consumers',
      'DELETE FROM "ConsumerItem" WHERE "consumer" = ${name} AND "id" IN',
      'DELETE FROM "ConsumerItem" WHERE "id" IN',
    ],
  ]),
  ...breaks('src/consumers/workers.ts', ofRoom, [
    ['a worker gets more than it has room for', 'this.#roomOf(worker) - shareOf(worker)', 'this.#roomOf(worker)'],
    ['a worker keeps what the next one has', '    this.free(id)\n    this.#workers', '    this.#workers'],
    ['what a worker has does not count', 'worker.room - (this.#workers.get(worker)?.size ?? 0)', 'worker.room'],
    ['claims never end', 'if (until <= now) this.free(id)', 'if (until < 0) this.free(String(now))'],
  ]),
  ...breaks('src/consumers/dispatcher.ts', ofRoom, [
    ['a worker that leaves keeps what it has', 'if (claims.length === 0 || isStopped) return', 'return'],
    [
      'messages that are gone are handed out again for ever',
      'if (there !== undefined) {',
      'if (there !== undefined || items.length > 0) {',
    ],
    ['settled messages stay the worker’s', 'for (const { id, claim } of items) workers.free(id, claim)\n      wake()', 'wake()'],
    ['what was acknowledged elsewhere stays the worker’s', 'for (const { id, claim } of settled) workers.free(id, claim)', ''],
    ['what was acknowledged elsewhere is asked for each time', ' || (lookedAt !== undefined && age() - lookedAt < lookAgainMs)', ''],
    ['a worker without room is never looked at again', '    lookAgain(lookAgainMs)\n    if (limit', '    if (limit'],
    ['the followers of removed consumers stay', '    unfollow()\n    for (const worker', '    for (const worker'],
  ]),
  ...breaks('src/consumers/fresh-messages.ts', ofRoom, [
    ['messages that a consumer lost by pruning are not told', '(prunes?.topics ?? []).map((each) => each.through)', '[]'],
    ['the order of authors is none', "return order === 'author' ? message.from : ''", 'return null'],
  ]),
  ...breaks('src/consumers/consumers.ts', ofRoom, [
    [
      'a consumer with other settings is taken for the same',
      '!made.created && !isDeepStrictEqual(made.consumer.settings, settings)',
      'false',
    ],
    ['consumers are not counted', 'if (there === undefined) await checkRoom(client)', ''],
    ['requests for messages of consumers are not counted', 'if (place === undefined)\n        throw', 'if (false)\n        throw'],
    ['claims of an earlier run stay', '.disown({ by: peerId, now: clock.age() })', ".disown({ by: '', now: 0 })"],
  ]),
  ...breaks('src/consumers/settlements.ts', ofRoom, [
    ['pauses before a retry do not grow', 'backoffMs * 2 ** Math.min(attempt - 1, 30)', 'backoffMs'],
    [
      'the pauses before a retry have no end',
      'Math.min(backoffMs * 2 ** Math.min(attempt - 1, 30), lastBackoffMs)',
      'backoffMs * 2 ** Math.min(attempt - 1, 30)',
    ],
    [
      'a retry needs no claim',
      "claims === undefined && (verdict === 'retry' || verdict === 'progress')",
      "claims === undefined && (verdict === 'retry' && verdict === 'progress')",
    ],
  ]),
  ...breaks('src/consumers/consumers.ts', ofRoom, [
    ['a change goes over another one', 'return await configure(name, change)', 'return found'],
    ['consumers that are made at once are not counted', 'create: (consumer) => inTurn(() => create(consumer))', 'create'],
    ['removed consumers stay joined', 'joins.leave(name)\n', ''],
    ['a request that has ended gets messages', 'if (signal.aborted) giveUp()\n      else if', 'if'],
    ['a page of parked messages has any number of bytes', 'bytes < limits.maxReadBytes ?', 'bytes >= 0 ?'],
  ]),
  ...breaks('src/consumers/consumer-joins.ts', ofJoins, [
    ['a consumer that was made again has the topics of the old one', '?.createdAt === createdAt) return', ' !== undefined) return'],
    ['topics of removed consumers stay joined', 'if (!names.has(name) && createdAt < since) leave(name)', ''],
    ['a consumer that is being made loses its topics', ' && createdAt < since) leave', ') leave'],
    ['what was not taken in is lost', 'Math.min(earliest, consumer.position)', 'earliest'],
    [
      'one consumer without room keeps the others from their topics',
      "await join(consumer).catch((err: unknown) => logger.warn({ err, consumer: consumer.name }, 'could not join the topics of a consumer'))",
      'await join(consumer)',
    ],
    ['topics without room stay joined', 'using held = new DisposableStack()', 'const held = new DisposableStack()'],
  ]),
  ...breaks('src/consumers/settlements.ts', ofSettlements, [
    ['a verdict is answered before it is durable', 'return settled.promise\n', 'return Promise.resolve(verdicts.map(() => true))\n'],
    [
      'what a failed commit has settled is told',
      'for (const each of batch) each.settled.reject(error)',
      'for (const each of batch) each.settled.resolve([error === undefined])',
    ],
    ['one commit has any number of verdicts', '&& verdicts + next.verdicts.length <= maxVerdicts', ''],
    ['each verdict has a commit', 'next !== undefined && verdicts', 'next === null && verdicts'],
    ['what others have settled is told as one’s own', 'settled?.slice(told, told + each.verdicts.length)', 'settled'],
  ]),
  ...breaks(
    'src/stream/consumer-subscription.ts',
    ['test/stream/consumer-subscription.test.ts'],
    [
      ['messages are taken while the client does not read', 'outlet.writable && isIdle() ?', 'isIdle() ?'],
      ['each subscription of a connection holds a batch', 'outlet.writable && isIdle() ?', 'outlet.writable ?'],
      ['a consumer’s messages that were sent are sent again', 'this.#waiting.splice(0, sent)', 'this.#waiting.splice(0, 0)'],
      ['what was not sent counts as tried', 'this.#work.end(unsent)', 'this.#work.end()'],
      ['a subscription that has ended keeps its topics joined', 'this.#init.interest[Symbol.dispose]()', ''],
      ['others are not told that there is room', 'if (this.#waiting.length === 0) this.#components.onIdle()', ''],
      ['a subscription that is closed does not tell others that there is room', 'if (unsent.length > 0) this.#components.onIdle()\n', ''],
      ['a subscription whose consumer is gone stays', 'this.#components.onEnd()\n', ''],
    ],
  ),
  ...breaks(
    'src/http/routes/consumers.ts',
    ['test/http/consumers.test.ts'],
    [
      [
        'a token works on topics that it does not allow',
        '    requireTopics(grant, subscriptionFilter(consumer.settings))\n    return consumer',
        '    return consumer',
      ],
      ['everybody changes a consumer', "!== keyOf({ grant, client }) && !grant.actions.has('admin'))", "=== '')"],
      [
        'a token sees consumers of topics that it does not allow',
        '.filter(({ settings }) => allows(grant, subscriptionFilter(settings)))',
        '',
      ],
      [
        'everybody removes a consumer',
        'await getOwn(params.name, { grant, client })\n      await consumers.remove',
        'await consumers.remove',
      ],
    ],
  ),
  ...breaks(
    'src/stream/consumer-commands.ts',
    ['test/stream/consumer-commands.test.ts'],
    [
      ['a connection works without the right to', "    requireAction(client.grant, 'consume')\n    return", '    return'],
      ['a connection acknowledges without the right to', "    requireAction(client.grant, 'consume')\n    const known", '    const known'],
      [
        'an acknowledgement reads the consumer each time',
        "verdict === 'ack' || verdict === 'drop' ? consumers.known(name) : undefined",
        'undefined',
      ],
      [
        'a consumer that has taken the place of another gets no acknowledgement',
        'if (!(error instanceof ConsumerNotFound)) throw error',
        'throw error',
      ],
      ['each answer is a write', 'answers.get(client) ?? startAnswers(client)', 'startAnswers(client)'],
      ['an acknowledgement ends before it is answered', 'await answer(', 'void answer('],
      ['a connection works on topics that it does not allow', '    requireTopics(grant, subscriptionFilter(consumer.settings))\n', ''],
      ['a subscription has a position beside the consumer’s', '.some((field) => field !== undefined)', '.some((field) => field === null)'],
      ['topics stay joined when a subscription is refused', 'using held = new DisposableStack()', 'const held = new DisposableStack()'],
      ['a client that has gone works', '      if (client.signal.aborted) return\n', ''],
      ['a subscription that was replaced works on', '      subscriptions.get(name)?.close()\n', ''],
      [
        'a subscription that ends takes away the one after it',
        'subscriptions.get(name) === subscription && subscriptions.delete(name)',
        'subscriptions.delete(name)',
      ],
      ['what was not settled is told as settled', 'settled: [...settled]', 'settled: ids'],
      ['each acknowledgement is answered', 'if (id !== undefined) await answer(', 'await answer('],
      [
        'each subscription of a connection has messages at a time',
        'isIdle: () => ofConsumers(client).every(({ ready }) => !ready)',
        'isIdle: () => true',
      ],
      ['a subscription does not tell the others that it has sent all', 'onIdle: () => drained(client)', 'onIdle: () => undefined'],
    ],
  ),
  ...breaks(
    'src/stream/interest.ts',
    ['test/stream/consumer-commands.test.ts'],
    [
      ['topics of a subscription are not counted', '1 + filter.exact.length + filter.patterns.length', '0'],
      ['a subscription that is refused keeps its topics', 'using held = new DisposableStack()', 'const held = new DisposableStack()'],
    ],
  ),
]

import { breaks } from '../patch.ts'

export const webhooks = [
  ...breaks(
    'src/webhooks/delivery.ts',
    ['test/webhooks/delivery.test.ts'],
    [
      ['a batch that is sent again has another id', 'const begun = before ?? {', 'const begun = {'],
      ['a part of a batch that was begun is sent for the whole', "if (!batch.isWhole) return 'behind'", ''],
      ['a gap inside of a batch that was begun is not told', 'untold: isAsItWas ? untold : []', 'untold: []'],
      ['a gap is not told when nothing is left of a batch', 'before !== undefined && entries.length > 0', 'before !== undefined'],
      ['410 does not pause', 'answer.status === gone || age()', 'age()'],
      ['a receiver asks for any pause', 'Math.min(retryAfterMs, maxRetryAfterMs)', 'retryAfterMs'],
      ['a failed request moves the position', 'if (answer.error === undefined) {', 'if (answer.status !== null) {'],
      [
        'the receiver is not told of gaps',
        'bodyOf({ webhook: webhook.id, entries, gaps })',
        'bodyOf({ webhook: webhook.id, entries, gaps: [] })',
      ],
      ['a webhook lasts longer than the rights of its owner', 'if (ended !== undefined)', 'if (ended === null)'],
    ],
  ),
  ...breaks(
    'src/webhooks/batches.ts',
    ['test/webhooks/delivery.test.ts'],
    [
      [
        'a batch that was begun grows',
        'Number.POSITIVE_INFINITY : parseCursor(through).seq',
        'Number.POSITIVE_INFINITY : Number.POSITIVE_INFINITY',
      ],
      ['a batch of a webhook has any number of bytes', '(bytes > maxBytes || ', '('],
    ],
  ),
  ...breaks(
    'src/webhooks/targets.ts',
    ['test/webhooks/targets.test.ts'],
    [
      ['webhooks are sent to private addresses', 'found.filter(isAllowed)', 'found'],
      ['an address in the URL of a webhook is not judged', 'if (isIP(host) !== 0 && !isAllowed(host))', 'if (isIP(host) < 0)'],
      ['webhooks use any protocol', '!/^https?:$/.test(url.protocol)', "url.protocol === ''"],
      ['a URL has a password', " || url.password !== ''", ''],
      ['an address that is allowed allows a network', 'Number(bits ?? (family === 4 ? 32 : 128))', 'Number(bits ?? 8)'],
      ['a name that is allowed is compared by case', 'map((name) => name.toLowerCase())', 'map((name) => name)'],
      ['a name with a dot at its end is another', ".replace(/\\.$/, '')", ''],
      ['a name that is not found ends as another error', 'lookUp(host, 0, signal).catch(unresolved)', 'lookUp(host, 0, signal)'],
    ],
  ),
  ...breaks(
    'src/webhooks/views.ts',
    ['test/webhooks/routes.test.ts'],
    [['a webhook shows the values of its header fields', 'headers: settings.headers.map(({ name }) => ({ name })),', '']],
  ),
  ...breaks(
    'src/webhooks/sender.ts',
    ['test/webhooks/sender.test.ts'],
    [
      ['the name of a receiver is looked up again', '      lookup: lookupOf(addresses),\n', ''],
      ['the answer of a receiver is read to its end', 'if (bytes >= maxAnswerBytes) break', ''],
      ['a redirect counts as accepted', 'status < 300\n', 'status < 400\n'],
      ['an answer that the deadline cut counts', '    signal.throwIfAborted()\n    const isAccepted', '    const isAccepted'],
      ['a receiver has any time', 'exchange(request, deadline.signal)', 'exchange(request, signal)'],
    ],
  ),
  ...breaks(
    'src/webhooks/postman.ts',
    ['test/webhooks/postman.test.ts'],
    [
      ['a secret that was replaced signs for ever', 'until === undefined || until > age()', 'until !== 0'],
      ['header fields of a webhook replace the signature', '...own, ...signed }', '...signed, ...own }'],
    ],
  ),
  ...breaks(
    'src/webhooks/settings.ts',
    ['test/webhooks/settings.test.ts'],
    [
      ['a webhook sets header fields of the gateway', 'reserved.has(name.toLowerCase()) ||', ''],
      ['a webhook sets header fields for proxies', " || name.toLowerCase().startsWith('proxy-')", ''],
      ['header fields are compared by case', 'reserved.has(name.toLowerCase())', 'reserved.has(name)'],
      ['a webhook has no topics', 'topics.length === 0 && !direct', 'topics.length < 0'],
      ['a change drops the header fields', 'headers: headers ?? before.headers', 'headers: headers ?? []'],
    ],
  ),
  ...breaks(
    'src/webhooks/rights.ts',
    ['test/webhooks/rights.test.ts'],
    [
      [
        'a webhook lasts longer than its token',
        'if (rightsUntil !== undefined && rightsUntil <= now())',
        'if (rightsUntil !== undefined && rightsUntil < 0)',
      ],
      ['a webhook of a revoked token goes on', 'if (!isKnown) return', 'if (owner === "") return'],
      ['a webhook of nobody goes on where tokens are needed', 'if (owner === anyoneId &&', "if (owner === '' &&"],
      ['a database that does not answer ends a webhook', '    throw error\n', '    return false\n'],
      ['a token is looked up for each batch', 'if (!isKnown) isKnown = await', 'isKnown = await'],
      ['a subject of a provider is looked up as a token', "!owner.startsWith('tok_')", 'owner === anyoneId'],
    ],
  ),
  ...breaks(
    'src/webhooks/webhooks.ts',
    ['test/webhooks/webhooks.test.ts'],
    [
      [
        'all tokens see all webhooks',
        "if (webhook === undefined || !(isOwner(webhook, grant) || grant.actions.has('admin'))) throw",
        'if (webhook === undefined) throw',
      ],
      ['all tokens list all webhooks', "grant.actions.has('admin') ? undefined : grant.id", 'undefined'],
      ['a webhook reads without the right to', "    requireAction(grant, 'read')\n", ''],
      ['a webhook reads topics that its token does not allow', '    requireTopics(grant, filter)\n', ''],
      [
        'a webhook that is changed reads topics that its token does not allow',
        '? await admitted(changedSettings(before.settings, changes), after, grant)',
        '? after',
      ],
      [
        'who has admin changes where a webhook sends',
        'if (!isOwner(before, grant) && (after !== undefined || Object.keys(more).length > 0))',
        'if (before.owner === "")',
      ],
      [
        'who has admin takes over the secret',
        'if (!isOwner(await find(id, grant), grant)) throw',
        'if ((await find(id, grant)).owner === "") throw',
      ],
      ['all tokens remove a webhook', 'await find(id, grant)\n      if (!(await store.remove(id)))', 'if (!(await store.remove(id)))'],
      ['all tokens read the attempts', 'await find(id, grant)\n      return (await store.attempts', 'return (await store.attempts'],
      [
        'the secret that was replaced no longer signs',
        '...(current === undefined ? [] : [{ secret: current.secret, until: age() + secretOverlapMs }])',
        '...(current === undefined ? [current].slice(1) : [])',
      ],
      ['a replaced secret signs for ever', 'until: age() + secretOverlapMs', 'until: undefined'],
      ['a webhook forgets when its token ends', 'grant.session === undefined ? grant.expiresAt : grant.tokenExpiresAt', 'undefined'],
      [
        'a webhook ends with the session in which it was made',
        'grant.session === undefined ? grant.expiresAt : grant.tokenExpiresAt',
        'grant.expiresAt',
      ],
      [
        'a batch of other topics has the id of the one before',
        'return isOther ? { ...resumed, batch: undefined } : resumed',
        'return resumed',
      ],
      [
        'a batch from another position has the id of the one before',
        'return { ...resumed, cursor, batch: undefined, gaps: [] }',
        'return { ...resumed, cursor, gaps: [] }',
      ],
      [
        'a change while another is made is lost',
        "throw new WebhookChanged('The webhook was changed meanwhile.')",
        'return { ...webhook, ...changes }',
      ],
      [
        'webhooks that are made at once are not counted',
        'inTurn(() => store.add(webhook, { max, maxOfClient }))',
        'store.add(webhook, { max, maxOfClient })',
      ],
    ],
  ),
  ...breaks(
    'src/store/shared/webhooks.ts',
    ['test/store/sqlite-store.test.ts'],
    [
      ['a client has any number of webhooks', ' || (await prisma().webhook.count({ where: { client } })) >= maxOfClient', ''],
      ['a webhook too many is made', 'webhook.count()) >= max ||', 'webhook.count()) > max ||'],
      ['a delivery goes on while its webhook is changed', 'revision: { increment: 1 }, claimedBy: by', 'claimedBy: by'],
      [
        'a change goes over another',
        '{ where: { id, revision }, data })).count === 1\n      }),\n    remove',
        '{ where: { id }, data })).count === 1\n      }),\n    remove',
      ],
      ['a webhook that was changed waits for the claim to end', '...unclaimed, revision', 'revision'],
      ['attempts of a webhook that was removed stay', 'await prisma().webhookAttempt.deleteMany({ where: { webhook: id } })\n', ''],
      ['a paused webhook is delivered', "{ state: 'active', claimedUntil: { lte: now } }", '{ claimedUntil: { lte: now } }'],
      ['a webhook has two claims', "{ state: 'active', claimedUntil: { lte: now } }", "{ state: 'active' }"],
      [
        'a claim that another gateway took is renewed',
        'const where = { claimedBy: by, id: { in: ids } }',
        'const where = { id: { in: ids } }',
      ],
      ['a gateway without the claim moves the position', 'const where = { id, claimedBy: by, revision }', 'const where = { id, revision }'],
      [
        'a delivery that began before a change moves the position',
        'const where = { id, claimedBy: by, revision }',
        'const where = { id, claimedBy: by }',
      ],
      ['a gateway ends the claim of another', 'where: { id, claimedBy: by }, data: unclaimed', 'where: { id }, data: unclaimed'],
      ['a gateway that stops ends all claims', 'where: { claimedBy: by }, data: unclaimed', 'where: {}, data: unclaimed'],
      ['all attempts are kept', 'number % kept', 'number'],
    ],
  ),
  ...breaks(
    'src/webhooks/deliverer.ts',
    ['test/webhooks/webhooks.test.ts', 'test/webhooks/rights.test.ts', 'test/webhooks/delivery.test.ts'],
    [
      ['a changed webhook is delivered twice', 'before?.stop.abort()', ''],
      ['a gateway that stops keeps its claims', 'await store.disown(by).catch(', 'await Promise.resolve().catch('],
    ],
  ),
]

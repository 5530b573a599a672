import { describe, expect, test } from 'vitest'
import { frameBounds } from '../../../../src/engine/custom/overlay/frames.ts'
import { defaultOverlayLimits } from '../../../../src/engine/custom/overlay/limits.ts'
import { createMessageCache } from '../../../../src/engine/custom/overlay/message-cache.ts'
import { createMissing } from '../../../../src/engine/custom/overlay/missing.ts'
import { createPartialView } from '../../../../src/engine/custom/overlay/partial-view.ts'
import { createRenewal, type Renewal } from '../../../../src/engine/custom/overlay/renewal.ts'
import { createScores } from '../../../../src/engine/custom/overlay/scores.ts'
import { createSeen } from '../../../../src/engine/custom/overlay/seen.ts'
import { createWalks } from '../../../../src/engine/custom/overlay/walks.ts'
import { createTokenBucket } from '../../../../src/lib/token-bucket.ts'

function clock() {
  let time = 0
  return { now: () => time, random: () => 0.5, pass: (ms: number) => (time += ms) }
}

describe('seen', () => {
  test('knows an id one by one, then by the floor of its author', () => {
    const time = clock()
    const seen = createSeen({ limits: defaultOverlayLimits }, time)
    seen.add('orders', 'a.9')
    seen.add('orders', 'a.12')
    expect([seen.has('orders', 'a.9'), seen.has('orders', 'a.10')]).toEqual([true, false])
    time.pass(defaultOverlayLimits.seenMs + 1)
    seen.sweep()
    expect(['a.1', 'a.9', 'a.10', 'a.12', 'a.13'].map((id) => seen.has('orders', id))).toEqual([true, true, true, true, false])
  })

  test('has no floor for an author who draws numbers, as js-libp2p does', () => {
    const time = clock()
    const seen = createSeen({ limits: defaultOverlayLimits }, time)
    const [low, drawn] = [2n ** 61n, 2n ** 62n]
    const knows = (sequence: bigint) => seen.has('orders', `a.${sequence}`)
    const expire = () => {
      time.pass(defaultOverlayLimits.seenMs + 1)
      seen.sweep()
    }
    seen.add('orders', `a.${low}`)
    expire()
    expect([knows(low - 1n), knows(low - 2n ** 52n + 1n), knows(low - 2n ** 52n)]).toEqual([true, true, false])
    seen.add('orders', `a.${drawn}`)
    expect(knows(drawn)).toBe(true)
    expire()
    expect([knows(low - 1n), knows(drawn - 1n), knows(drawn + 1n)]).toEqual([false, false, false])
    seen.add('orders', `a.${low}`)
    expire()
    expect(knows(low - 1n)).toBe(false)
  })

  test('has a floor for each topic and author', () => {
    const time = clock()
    const seen = createSeen({ limits: defaultOverlayLimits }, time)
    seen.add('orders', 'a.100')
    time.pass(defaultOverlayLimits.seenMs + 1)
    seen.sweep()
    expect([seen.has('prices', 'a.1'), seen.has('orders', 'b.1')]).toEqual([false, false])
  })

  test('is bounded, and takes nothing for new that made room', () => {
    const seen = createSeen({ limits: { ...defaultOverlayLimits, maxSeen: 10, maxSeenAuthors: 5 } }, clock())
    for (let sequence = 1; sequence <= 100; sequence++) seen.add('orders', `a.${sequence}`)
    expect(seen.size).toBe(11)
    expect(seen.has('orders', 'a.1')).toBe(true)
  })
})

describe('the message cache', () => {
  const message = (id: string, at: number) => ({
    envelope: { id, topic: 'orders', bytes: new Uint8Array(1_000) },
    hops: 1,
    from: 'b',
    at,
  })

  test('is bounded by bytes', () => {
    const cache = createMessageCache({ limits: { ...defaultOverlayLimits, maxCacheBytes: 5_000 } }, clock())
    for (let at = 0; at < 100; at++) cache.put(message(`a.${at}`, 0))
    expect(cache.bytes).toBeLessThanOrEqual(5_000)
    expect([cache.get('a.0'), cache.get('a.99')?.envelope.id]).toEqual([undefined, 'a.99'])
  })

  test('is bounded by time', () => {
    const time = clock()
    const cache = createMessageCache({ limits: defaultOverlayLimits }, time)
    cache.put(message('a.1', 0))
    time.pass(defaultOverlayLimits.cacheMs + 1)
    cache.sweep()
    expect([cache.size, cache.bytes]).toEqual([0, 0])
  })
})

describe('missing messages', () => {
  test('are asked of one holder after another, the nearest to the author first', () => {
    const time = clock()
    const missing = createMissing({ limits: defaultOverlayLimits }, { ...time, doubt: () => 0, broughtAt: () => undefined })
    missing.announce('orders', 'a.1', 'far', 5)
    missing.announce('orders', 'a.1', 'near', 2)
    expect(missing.due().asks).toEqual([])
    time.pass(defaultOverlayLimits.graftMs)
    expect(missing.due().asks).toEqual([{ peerId: 'near', topic: 'orders', ids: ['a.1'] }])
    time.pass(defaultOverlayLimits.graftAgainMs)
    expect(missing.due().asks.map(({ peerId }) => peerId)).toEqual(['far'])
    time.pass(defaultOverlayLimits.graftAgainMs)
    expect([missing.due().asks, missing.size]).toEqual([[], 0])
  })

  test('are asked first of those whose word is worth most, and of twice as many each time', () => {
    const time = clock()
    const liars = Array.from({ length: 10 }, (_, index) => `liar-${index}`)
    const missing = createMissing(
      { limits: defaultOverlayLimits },
      { ...time, doubt: (peerId) => (peerId === 'honest' ? 0 : 1), broughtAt: () => undefined },
    )
    for (const liar of liars) missing.announce('orders', 'a.1', liar, 0)
    missing.announce('orders', 'a.1', 'honest', 5)
    time.pass(defaultOverlayLimits.graftMs)
    expect(missing.due().asks.map(({ peerId }) => peerId)).toEqual(['honest'])
    time.pass(defaultOverlayLimits.graftAgainMs)
    expect(missing.due().asks).toHaveLength(2)
    time.pass(defaultOverlayLimits.graftAgainMs)
    expect(missing.due().asks).toHaveLength(4)
  })

  test('keep a place for one that comes late and is not in doubt', () => {
    const time = clock()
    const missing = createMissing(
      { limits: defaultOverlayLimits },
      { ...time, doubt: (peerId) => (peerId === 'honest' ? 0 : 1), broughtAt: () => undefined },
    )
    for (let at = 0; at < 2 * defaultOverlayLimits.maxHolders; at++) missing.announce('orders', 'a.1', `liar-${at}`, 0)
    missing.announce('orders', 'a.1', 'honest', 5)
    time.pass(defaultOverlayLimits.graftMs)
    expect(missing.due().asks.map(({ peerId }) => peerId)).toEqual(['honest'])
  })

  test('of one neighbour do not fill the list', () => {
    const missing = createMissing(
      { limits: { ...defaultOverlayLimits, maxPeerMissing: 10 } },
      { ...clock(), doubt: () => 0, broughtAt: () => undefined },
    )
    for (let at = 0; at < 100; at++) missing.announce('orders', `a.${at}`, 'liar', 0)
    missing.announce('orders', 'b.1', 'honest', 0)
    expect(missing.size).toBe(11)
  })
})

describe('a partial view', () => {
  test('has a bounded reserve, without neighbours and itself', () => {
    const view = createPartialView({ peerId: 'self', passiveSize: 3 }, clock())
    for (const peerId of ['self', 'a', 'b', 'c', 'd', 'e']) view.know({ peerId, multiaddrs: ['/sim'] })
    expect(view.passive.size).toBe(3)
    view.activate('e')
    view.know({ peerId: 'e', multiaddrs: ['/sim'] })
    expect([view.active.has('e'), view.passive.has('e'), view.passive.has('self')]).toEqual([true, false, false])
  })
})

describe('scores', () => {
  test('avoid a peer for a while after too many offences', () => {
    const time = clock()
    const scores = createScores({ limits: defaultOverlayLimits }, time)
    const verdicts = Array.from({ length: 10 }, () => scores.penalize('b', 'rejectedMessage'))
    expect(verdicts.indexOf(true)).toBe(9)
    expect(scores.avoided('b')).toBe(true)
    time.pass(defaultOverlayLimits.avoidMs + 1)
    expect(scores.avoided('b')).toBe(false)
  })

  test('forget slights with time', () => {
    const time = clock()
    const scores = createScores({ limits: defaultOverlayLimits }, time)
    for (let at = 0; at < 100; at++) {
      expect(scores.penalize('b', 'rejectedMessage')).toBe(false)
      time.pass(defaultOverlayLimits.penaltyHalfLifeMs)
    }
  })

  test('keep the worst of a bounded number of peers', () => {
    const scores = createScores({ limits: { ...defaultOverlayLimits, maxScoredPeers: 5 } }, clock())
    for (let at = 0; at < 10; at++) scores.penalize('worst', 'rejectedMessage')
    for (let at = 0; at < 100; at++) scores.penalize(`peer-${at}`, 'waste')
    expect([scores.size, scores.avoided('worst')]).toEqual([5, true])
  })
})

test('a token bucket gives so many at once, then so many a second', () => {
  const bucket = createTokenBucket({ perSecond: 2, burst: 3 })
  expect([0, 0, 0, 0, 500, 500].map((at) => bucket.take(at))).toEqual([true, true, true, false, true, false])
})

describe('walks', () => {
  test('lead answers back, cross a node once, and are forgotten', () => {
    const time = clock()
    const walks = createWalks({ limits: defaultOverlayLimits }, time)
    const own = walks.begin()
    expect([walks.pass('t', 'b'), walks.pass('t', 'c')]).toEqual([true, false])
    expect([walks.back('t'), walks.back(own), walks.back('unknown')]).toEqual([{ to: 'b' }, 'self', undefined])
    time.pass(defaultOverlayLimits.walkMs + 1)
    walks.sweep()
    expect(walks.size).toBe(0)
  })

  test('are bounded', () => {
    const walks = createWalks({ limits: { ...defaultOverlayLimits, maxWalks: 10 } }, clock())
    for (let at = 0; at < 100; at++) walks.pass(`t${at}`, 'b')
    expect(walks.size).toBe(10)
  })
})

describe('the renewal of a tree', () => {
  const { renewMs, minRenewMs, settleMs, distrustMs, renewMessages } = defaultOverlayLimits

  function renewal() {
    const time = clock()
    return { time, ...withTime(createRenewal({ limits: defaultOverlayLimits }, { now: time.now, random: () => 0.5 })) }
  }

  function withTime(part: Renewal) {
    return {
      part,
      hear(neighbors: Array<string | undefined>) {
        for (let at = 0; at < renewMessages; at++) part.heard(neighbors[at % neighbors.length])
      },
    }
  }

  test.each<[string, Array<string | undefined>, boolean]>([
    ['two neighbours bring half each', ['a', 'b'], true],
    ['it publishes most itself', [undefined, undefined, 'a'], true],
    ['a neighbour brings more than half', ['a', 'a', 'b'], false],
  ])('comes from the middle of the traffic: %s', (_, neighbors, isMiddle) => {
    const { part, time, hear } = renewal()
    hear(neighbors)
    expect(part.due()).toBeUndefined()
    time.pass(settleMs)
    expect(part.due()).toEqual(isMiddle ? { round: 1, rank: expect.any(Number) } : undefined)
  })

  test('waits for messages, and for its time', () => {
    const { part, time, hear } = renewal()
    part.adopt({ round: 1, rank: 1 }, 'a')
    hear(['a', 'b'])
    expect(part.due()).toBeUndefined()
    time.pass(renewMs)
    expect(part.due()).toBeUndefined()
    time.pass(settleMs)
    expect(part.due()).toMatchObject({ round: 2 })
    expect(part.adopt({ round: 2, rank: 1 }, undefined)).toBe(true)
    time.pass(renewMs + settleMs)
    expect(part.due()).toBeUndefined()
  })

  test('does not count beyond the last round, and begins anew when the beacon of a peer that has named it has expired', () => {
    const { part, time, hear } = renewal()
    expect(part.adopt({ round: frameBounds.round, rank: 1 }, 'a')).toBe(true)
    hear(['a', 'b'])
    time.pass(renewMs)
    expect(part.due()).toBeUndefined()
    time.pass(settleMs)
    expect(part.due()).toBeUndefined()
    time.pass(2 * renewMs)
    hear(['a', 'b'])
    expect(part.due()).toBeUndefined()
    time.pass(settleMs)
    expect(part.due()).toMatchObject({ round: 1 })
  })

  test('follows later rounds, not too soon and not too far ahead, and a few higher ranks of the same', () => {
    const { part, time } = renewal()
    expect(part.adopt({ round: 5, rank: 10 }, 'a')).toBe(true)
    expect(part.adopt({ round: 5, rank: 10 }, 'b')).toBe(false)
    expect(part.crossed({ round: 5, rank: 10 }, 'b')).toBe(true)
    expect(part.crossed({ round: 5, rank: 10 }, 'a')).toBe(false)
    expect(part.adopt({ round: 5, rank: 9 }, 'b')).toBe(false)
    expect([11, 12, 13, 14, 15].map((rank) => part.adopt({ round: 5, rank }, 'b'))).toEqual([true, true, true, true, false])
    expect(part.adopt({ round: 6, rank: 0 }, 'a')).toBe(false)
    time.pass(minRenewMs)
    expect([4, 1_006, 6].map((round) => part.adopt({ round, rank: 0 }, 'a'))).toEqual([false, false, true])
  })

  test('tells how far the change from one tree to the other is', () => {
    const { part, time } = renewal()
    expect(part.phase).toBeUndefined()
    part.adopt({ round: 1, rank: 1 }, 'a')
    expect(part.phase).toBe('making')
    time.pass(settleMs)
    expect(part.phase).toBe('made')
    time.pass(settleMs)
    expect(part.phase).toBeUndefined()
  })

  test('does not follow a neighbour behind which the tree broke', () => {
    const { part, time } = renewal()
    part.adopt({ round: 1, rank: 1 }, 'a')
    part.broken()
    time.pass(minRenewMs)
    expect(part.adopt({ round: 2, rank: 1 }, 'a')).toBe(false)
    expect(part.adopt({ round: 2, rank: 1 }, 'b')).toBe(true)
    time.pass(distrustMs)
    expect(part.adopt({ round: 3, rank: 1 }, 'a')).toBe(true)
  })
})

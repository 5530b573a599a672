import { describe, expect, test } from 'vitest'
import { type CarriedCircuit, circuitRefusal, crowdRefusal, holderOf } from '../../src/engine/crowds.ts'

const at = (seenAt: string | undefined) => holderOf({ peerId: 'peer', seenAt })
const times = <Item>(count: number, item: (index: number) => Item) => Array.from({ length: count }, (_, index) => item(index))

describe('what peers hold', () => {
  test('is shared by address, of IPv6 by the first 64 bits; a peer that is seen nowhere counts by itself', () => {
    expect(at('8.8.4.7')).toBe(at('::ffff:8.8.4.7'))
    expect(at('8.8.4.7')).not.toBe(at('8.8.4.8'))
    expect(at('2001:db8:1:2::5')).toBe(at('2001:db8:1:2:9::7'))
    expect(at('2001:db8:1:2::5')).not.toBe(at('2001:db8:1:3::5'))
    expect(at(undefined)).toBe('peer')
  })

  test('an address has at most a quarter of it while there are others, and all but a quarter alone', () => {
    const held = (count: number, ...others: string[]) => [...times(count, () => at('8.8.4.7')), ...others.map(at)]
    const refusal = (all: string[], from = '8.8.4.7') => crowdRefusal(at(from), all, { max: 20 })
    expect(refusal(held(14))).toBeUndefined()
    expect(refusal(held(15))).toBe('share')
    expect(refusal(held(15), '8.8.4.8')).toBeUndefined()
    expect(refusal(held(4, '8.8.4.8'))).toBeUndefined()
    expect(refusal(held(5, '8.8.4.8'))).toBe('share')
    expect(refusal(held(20), '8.8.4.8')).toBe('all')
  })

  test('this host may have all of it', () => {
    expect(
      crowdRefusal(
        at('127.0.0.1'),
        times(19, () => at('::1')),
        { max: 20 },
      ),
    ).toBeUndefined()
    expect(
      crowdRefusal(
        at('127.0.0.1'),
        times(20, () => at('::1')),
        { max: 20 },
      ),
    ).toBe('all')
  })
})

describe('a circuit', () => {
  const circuit = (more: Partial<CarriedCircuit> = {}): CarriedCircuit => ({
    opener: 'opener',
    seenAt: '8.8.4.7',
    target: 'target',
    ...more,
  })
  const max = 100

  test('is one of at most sixteen of the peer that opens it', () => {
    expect(
      circuitRefusal(
        circuit(),
        times(15, () => circuit()),
        { max },
      ),
    ).toBeUndefined()
    expect(
      circuitRefusal(
        circuit(),
        times(16, () => circuit()),
        { max },
      ),
    ).toMatch(/maximum number of circuits of one peer/)
  })

  test('is one of at most a quarter of the address that it comes from, whatever the peers there are called', () => {
    const crowd = (count: number) => times(count, (index) => circuit({ opener: `opener ${index}`, target: `target ${index}` }))
    const others = [circuit({ opener: 'elsewhere', seenAt: '8.8.8.8', target: 'another' })]
    expect(circuitRefusal(circuit(), [...crowd(24), ...others], { max })).toBeUndefined()
    expect(circuitRefusal(circuit(), [...crowd(25), ...others], { max })).toMatch(/at your address/)
    expect(circuitRefusal(circuit({ seenAt: '8.8.8.8' }), [...crowd(25), ...others], { max })).toBeUndefined()
  })

  test('is one of at most a quarter of those that lead to its target', () => {
    const crowd = (count: number) => times(count, (index) => circuit({ opener: `opener ${index}`, seenAt: `8.8.4.${index}` }))
    const others = [circuit({ opener: 'elsewhere', seenAt: '8.8.8.8', target: 'another' })]
    const wanted = circuit({ seenAt: '8.8.5.1' })
    expect(circuitRefusal(wanted, [...crowd(24), ...others], { max })).toBeUndefined()
    expect(circuitRefusal(wanted, [...crowd(25), ...others], { max })).toMatch(/the target peer/)
    expect(circuitRefusal({ ...wanted, target: 'another' }, [...crowd(25), ...others], { max })).toBeUndefined()
  })

  test('is one of as many as the relay carries', () => {
    const all = times(max, (index) => circuit({ opener: `opener ${index}`, seenAt: `8.8.4.${index}`, target: `target ${index}` }))
    expect(circuitRefusal(circuit({ seenAt: '8.8.5.1', target: 'free' }), all, { max })).toMatch(/maximum number of circuits/)
  })
})

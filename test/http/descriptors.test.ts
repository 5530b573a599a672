import { expect, it } from 'vitest'
import { descriptorLimit, fitToDescriptors, parseDescriptorLimit } from '../../src/http/descriptors.ts'
import { defaultLimits } from '../../src/limits.ts'

it('reads the soft limit of open files', () => {
  const line = (soft: string) =>
    `Max processes             126801               126801               processes\nMax open files            ${soft.padEnd(20)} 1048576              files\n`
  expect(parseDescriptorLimit(line('1024'))).toBe(1_024)
  expect(parseDescriptorLimit(line('unlimited'))).toBe(Number.POSITIVE_INFINITY)
  expect(parseDescriptorLimit('')).toBeUndefined()
})

it('knows that of this process', async () => {
  expect(await descriptorLimit()).toBeGreaterThan(100)
})

it('leaves the limits as they are where there are enough descriptors', () => {
  expect(fitToDescriptors(defaultLimits, { descriptors: 20_000, listeners: 2 })).toEqual(defaultLimits)
  expect(fitToDescriptors(defaultLimits, { descriptors: Number.POSITIVE_INFINITY, listeners: 3 })).toEqual(defaultLimits)
})

it.each([64, 256, 1_024, 4_096, 10_000])('keeps all connections together below %i descriptors, with room for files', (descriptors) => {
  for (const listeners of [1, 2, 3]) {
    const limits = fitToDescriptors(defaultLimits, { descriptors, listeners })
    const { maxConnections, maxHttpConnections, maxHttpConnectionsPerAddress, maxStreamConnections } = limits
    expect(maxHttpConnections + 16 + maxConnections * 2 * listeners).toBeLessThanOrEqual(descriptors - Math.min(128, descriptors / 4))
    expect(Math.min(maxConnections, maxHttpConnections, maxHttpConnectionsPerAddress, maxStreamConnections)).toBeGreaterThan(0)
    expect(maxStreamConnections).toBeLessThanOrEqual(maxHttpConnections)
    expect(maxHttpConnectionsPerAddress).toBeLessThanOrEqual(maxHttpConnections / 4 + 1)
  }
})

it('allows the connections that a raised limit of streams needs', () => {
  const limits = { ...defaultLimits, maxStreamConnections: 12_000 }
  const enough = fitToDescriptors(limits, { descriptors: 40_000, listeners: 1 })
  expect([enough.maxStreamConnections, enough.maxHttpConnections]).toEqual([12_000, 16_000])
  const few = fitToDescriptors(limits, { descriptors: 10_000, listeners: 1 })
  expect(few.maxHttpConnections).toBeLessThan(10_000)
  expect(few.maxStreamConnections).toBeLessThan(few.maxHttpConnections)
})

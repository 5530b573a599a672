import { readFile } from 'node:fs/promises'
import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { expect, onTestFinished, test } from 'vitest'
import { StartupError } from '../../../src/lib/startup-error.ts'
import { certificate } from '../../fixtures/certificate.ts'
import { customEngine, startedCustomEngine } from '../../fixtures/custom-engine.ts'

const listen = ['/ip4/127.0.0.1/tcp/0/wss']

test('listens with TLS, and is dialled by who trusts the certificate', async () => {
  const tls = await certificate()
  const b = await startedCustomEngine({ listen, tls })
  const a = await startedCustomEngine()
  const [address = ''] = await b.multiaddrs()
  expect(address).toMatch(/^\/ip4\/127\.0\.0\.1\/tcp\/\d+\/wss\/p2p\//)
  const signal = AbortSignal.timeout(20_000)
  await expect(a.dial(address, { source: 'rest', signal })).rejects.toThrow(/certificate/)

  const trusted = getCACertificates('default')
  setDefaultCACertificates([...trusted, await readFile(tls.certFile, 'utf8')])
  onTestFinished(() => setDefaultCACertificates(trusted))
  expect(await a.dial(address, { source: 'rest', signal })).toMatchObject({ peerId: b.peerId, direction: 'outbound' })
  expect(await a.ping(b.peerId, { signal })).toBeGreaterThan(0)
})

test('a certificate that is not there ends the start with the variable', async () => {
  const tls = await certificate()
  const engine = await customEngine({ listen, tls: { ...tls, keyFile: '/nowhere/tls.key' } })
  await expect(engine.start()).rejects.toThrow(StartupError)
  await expect(engine.start()).rejects.toThrow(/PEERGATE_TLS_KEY_FILE/)
})

import type { ChildProcess } from 'node:child_process'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import type { MessageView } from '../../src/model/message.ts'
import { gatewayForTest } from '../fixtures/gateway-for-test.ts'
import { loopback, quietEnvironment } from '../fixtures/gateway-process.ts'
import { createRest } from '../fixtures/rest.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const listens = [
  ['custom', loopback.custom],
  ['libp2p', loopback.libp2p],
  ['libp2p', '/ip4/127.0.0.1/udp/0/quic-v1'],
] as const
const doubtedLinkMs = 2_000
/** Milliseconds: the link is doubted, and its peer dialled beside it several times in vain. */
const stoppedMs = 5_000
const topic = 'orders'

/** What makes a process stand still, and has it go on. */
interface Stop {
  readonly env: Record<string, string>
  begin(process: ChildProcess): void
  end(process: ChildProcess): void
}

const wholeProcess: Stop = { env: {}, begin: (process) => void process.kill('SIGSTOP'), end: (process) => void process.kill('SIGCONT') }

/** Its threads go on, and QUIC's answer handshakes. */
const eventLoop: Stop = {
  env: {
    NODE_OPTIONS: `--import=data:text/javascript,${encodeURIComponent(`process.on('SIGUSR2', () => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ${stoppedMs + 1_000}))`)}`,
  },
  begin: (process) => void process.kill('SIGUSR2'),
  end: () => undefined,
}

/** Stops the process that the other one is linked to, has it go on, and looks what became of the link. */
async function stopFor([engine, listen]: (typeof listens)[number], stop: Stop): Promise<void> {
  const start = async (env: Record<string, string>) =>
    await gatewayForTest({
      ...quietEnvironment(await temporaryDirectory(), engine),
      PEERGATE_LISTEN: listen,
      PEERGATE_DOUBTED_LINK_MS: `${doubtedLinkMs}`,
      PEERGATE_LOG_LEVEL: 'debug',
      ...env,
    })
  const there = await start(stop.env)
  const here = await start({ PEERGATE_BOOTSTRAP: there.multiaddrs[0] ?? '' })
  const [mine, theirs] = [createRest(here.url), createRest(there.url)]
  await theirs.call('PUT', `/v1/topics/${topic}`)
  const publish = async (data: string) => await mine.call('POST', `/v1/topics/${topic}/messages?minRecipients=1&waitMs=20000`, { data })
  await publish('before')

  stop.begin(there.child)
  onTestFinished(() => stop.end(there.child))
  await delay(stoppedMs)
  await expect.poll(() => here.lines.filter((line) => line.includes('did not answer')).length).toBeGreaterThan(0)
  await publish('while it is stopped')
  stop.end(there.child)
  await publish('after')
  const arrived = async () =>
    (await theirs.call<{ items: MessageView[] }>('GET', `/v1/topics/${topic}/messages`)).body.items.map(({ data }) => data)
  await expect.poll(async () => (await arrived()).toSorted()).toEqual(['after', 'before', 'while it is stopped'])
  await delay(2 * doubtedLinkMs)
  expect([...here.lines, ...there.lines].filter((line) => /is replaced|not heard any more|fallen silent/.test(line))).toEqual([])
}

test('a peer whose process is stopped for some seconds is dialled beside its link, and keeps it, on either engine and over QUIC', async () => {
  await Promise.all(listens.map((listen) => stopFor(listen, wholeProcess)))
})

test('so does a peer whose event loop stands still for some seconds, while its other threads answer', async () => {
  await Promise.all(listens.map((listen) => stopFor(listen, eventLoop)))
})

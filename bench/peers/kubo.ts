import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { freePort } from '../../test/fixtures/free-port.ts'
import { createMarkScanner } from '../marks.ts'
import type { Way } from '../passage.ts'
import { temporaryDirectory } from '../temporary-directory.ts'
import { startProgram } from './programs.ts'

/** Two Kubo nodes: a publication by RPC is on its way to the other, which has it in memory. */

/** With more at a time it refuses some, and loses others. */
const underWay = 1

interface KuboNode {
  url: string
  pid: number
  address: string
}

export async function openKubo(resources: AsyncDisposableStack, program: string): Promise<Way> {
  const b = await startKubo(resources, program)
  const a = await startKubo(resources, program)
  const topic = `u${Buffer.from('bench').toString('base64url')}`
  const way: Way = {
    label: 'two Kubo nodes, in memory, one under way',
    processes: { A: a.pid, B: b.pid },
    underWay,
    async publish(data) {
      const form = new FormData()
      form.append('data', new Blob([data]))
      await call(a, `pubsub/pub?arg=${topic}`, form)
    },
    onArrival: () => undefined,
  }
  const ending = new AbortController()
  resources.defer(() => ending.abort())
  const scan = createMarkScanner((number) => way.onArrival(number))
  const stream = await call(b, `pubsub/sub?arg=${topic}`, undefined, ending.signal)
  void follow(stream, scan).catch((err: unknown) => {
    if (!ending.signal.aborted) throw err
  })
  await call(a, `swarm/connect?arg=${b.address}`)
  while (!(await (await call(a, `pubsub/peers?arg=${topic}`)).text()).includes('12D3')) {
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
  return way
}

async function startKubo(resources: AsyncDisposableStack, program: string): Promise<KuboNode> {
  const env = { IPFS_PATH: await temporaryDirectory(resources), IPFS_TELEMETRY: 'off' }
  const run = async (...args: string[]) => (await promisify(execFile)(program, args, { env: { ...process.env, ...env } })).stdout
  const [api, swarm, gateway] = [await freePort(), await freePort(), await freePort()]
  await run('init', '--profile', 'test')
  await run('config', 'Addresses.API', `/ip4/127.0.0.1/tcp/${api}`)
  await run('config', 'Addresses.Gateway', `/ip4/127.0.0.1/tcp/${gateway}`)
  await run('config', '--json', 'Addresses.Swarm', JSON.stringify([`/ip4/127.0.0.1/tcp/${swarm}`]))
  await run('config', '--json', 'Pubsub.Enabled', 'true')
  const pid = await startProgram(resources, { program, args: ['daemon'], env, port: api })
  const { ID: id } = JSON.parse(await run('id'))
  return { url: `http://127.0.0.1:${api}`, pid, address: `/ip4/127.0.0.1/tcp/${swarm}/p2p/${id}` }
}

async function call({ url }: KuboNode, path: string, body?: FormData, signal?: AbortSignal): Promise<Response> {
  const answer = await fetch(`${url}/api/v0/${path}`, { method: 'POST', ...(body && { body }), ...(signal && { signal }) })
  if (!answer.ok) throw new Error(`${path} answered ${answer.status}: ${await answer.text()}`)
  return answer
}

/** Messages come as lines of JSON with data in base64url. */
async function follow(stream: Response, take: (bytes: Buffer) => void): Promise<void> {
  let text = ''
  for await (const chunk of stream.body ?? []) {
    text += Buffer.from(chunk).toString()
    const lines = text.split('\n')
    text = lines.pop() ?? ''
    for (const line of lines) take(Buffer.from(JSON.parse(line).data.slice(1), 'base64url'))
  }
}

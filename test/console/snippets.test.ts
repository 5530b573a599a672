import { execFile } from 'node:child_process'
import { once } from 'node:events'
import { writeFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { promisify } from 'node:util'
import { expect, onTestFinished, test } from 'vitest'
import type { Message } from '../../clients/typescript/src/index.ts'
import { type Language, snippet } from '../../console/snippets.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

const run = promisify(execFile)

/** How a reader of the page runs what is copied from it. */
const commands: Record<Exclude<Language, 'Go'>, (code: string) => [string, string[]]> = {
  curl: (code) => ['bash', ['-c', code]],
  JavaScript: (code) => [process.execPath, ['--input-type=module', '-e', code]],
  Python: (code) => ['python3', ['-c', code]],
}

const topic = "till's/orders & more"
const data = `it's "quoted", $HOME \`id\` \\ back\nsecond line, é 😀 \u2028`

function messageWith(payload: { data: unknown; encoding: string }): Message {
  return { id: '', cursor: '', kind: 'topic', topic, from: '', sequence: '', receivedAt: '', signature: '', ...payload }
}

/** A server that keeps what is posted to it. */
async function postedTo() {
  const posts: Array<{ url: string | undefined; authorization: string | undefined; type: string | undefined; body: unknown }> = []
  const server = createServer(async (request, response) => {
    const { url, headers } = request
    posts.push({ url, authorization: headers.authorization, type: headers['content-type'], body: JSON.parse(await text(request)) })
    response.end('{}')
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  onTestFinished(() => void server.close())
  const { port } = server.address() as AddressInfo
  return { posts, origin: `http://127.0.0.1:${port}` }
}

test.each(['curl', 'JavaScript', 'Python'] as const)('what is copied for %s publishes the same data', async (language) => {
  const { posts, origin } = await postedTo()
  const payloads = [
    { data, encoding: 'utf8' },
    { data: { nested: [data, null, 1.5] }, encoding: 'json' },
  ]
  for (const payload of payloads) {
    const [command, parameters] = commands[language](snippet(messageWith(payload), language, origin))
    await run(command, parameters, { env: { ...process.env, PEERGATE_TOKEN: 'secret' } })
  }
  const url = `/v1/topics/${encodeURIComponent(topic).replaceAll("'", '%27')}/messages`
  const posted = posts.map((post) => ({ ...post, url: post.url?.replaceAll("'", '%27') }))
  expect(posted).toEqual(payloads.map((body) => ({ url, authorization: 'Bearer secret', type: 'application/json', body })))
})

test('what is copied for Go is a program in the format of gofmt (needs Go)', async ({ skip }) => {
  const code = `${snippet(messageWith({ data, encoding: 'utf8' }), 'Go', 'https://gateway.example')}\n`
  const file = join(await temporaryDirectory(), 'publish.go')
  await writeFile(file, code)
  const formatted = await run('gofmt', [file]).catch((error) => {
    skip(error.code === 'ENOENT', 'there is no Go')
    throw error
  })
  expect(formatted.stdout).toBe(code)
})

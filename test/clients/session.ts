import { defaults, getTopic, joinTopic, listTopicMessages, publishToTopic } from '#client'

/*
 * What a user writes against the generated client: `node session.ts <url>` prints what the gateway answered, as
 * expected-session.ts has it. It runs, and its types are checked, beside the client that the test generates.
 */

defaults.baseUrl = process.argv[2] ?? ''

const joined = await joinTopic('orders', { retention: { maxMessages: 100 } })
if (joined.status !== 200 && joined.status !== 201) throw new Error(joined.data.code)

const published = await publishToTopic('orders', { data: 'hello' })
if (published.status !== 201) throw new Error('a message was not published')

const keyed = []
for (let time = 1; time <= 2; time++) {
  const answer = await publishToTopic('orders', { data: 'once' }, { idempotencyKey: 'order-17' })
  if (answer.status !== 201) throw new Error('a message was not published')
  keyed.push({ status: answer.status, replayed: answer.headers.get('idempotent-replayed'), id: answer.data.id, cursor: answer.data.cursor })
}

async function history(after: string): Promise<string[][]> {
  const pages: string[][] = []
  for (let next = after; ; ) {
    const page = await listTopicMessages('orders', { after: next, limit: 1 })
    if (page.status !== 200) throw new Error(page.data.code)
    const data: string[] = []
    for (const message of page.data.items) data.push(message.data)
    pages.push(data)
    if (page.data.caughtUp) return pages
    next = page.data.newer
  }
}

const refused = await getTopic('nobody')
if (refused.status !== 404) throw new Error(`an unknown topic answered ${refused.status}`)

const session = {
  joined: { status: joined.status, topic: joined.data.topic, joined: joined.data.joined, maxMessages: joined.data.retention.maxMessages },
  published: { status: published.status, id: published.data.id, cursor: published.data.cursor },
  keyed,
  history: await history('earliest'),
  resumed: await history(published.data.cursor),
  refused: { status: refused.status, contentType: refused.headers.get('content-type'), code: refused.data.code },
}
process.stdout.write(JSON.stringify(session))

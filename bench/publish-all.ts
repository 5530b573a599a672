import type { HttpClient } from './http-client.ts'

/** Publishes one message `messages` times, one at a time on each connection. @throws Error when an answer is not 201 */
export async function publishAll(client: HttpClient, init: { messages: number; connections: number; data: string }): Promise<void> {
  let left = init.messages
  const body = JSON.stringify({ data: init.data })
  const publish = async () => {
    while (left-- > 0) {
      const answer = await client.post('/v1/topics/bench/messages', body)
      if (answer.status !== 201) throw new Error(`publishing answered ${answer.status}: ${answer.body}`)
    }
  }
  await Promise.all(Array.from({ length: init.connections }, publish))
}

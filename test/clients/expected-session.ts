import { expect } from 'vitest'
import { createRest } from '../fixtures/rest.ts'

/** What the same session in each language prints. */
export interface Session {
  joined: { status: number; topic: string; joined: boolean; maxMessages: number }
  published: { status: number; id: string; cursor: string }
  keyed: { status: number; replayed: string | null; id: string; cursor: string }[]
  /** The data of each page, from the beginning. */
  history: string[][]
  /** The same after the first message. */
  resumed: string[][]
  refused: { status: number; contentType: string; code: string }
}

/** Expects that the session went as the contract has it, and that the gateway at the URL saw the same. */
export async function expectSession(printed: string, url: string): Promise<void> {
  const session: Session = JSON.parse(printed)
  const stored = await createRest(url).history('topic=orders')
  const [hello, once] = stored.map(({ id, cursor }) => ({ status: 201, id, cursor }))
  expect(stored.map(({ data }) => data)).toEqual(['hello', 'once'])
  expect(session).toEqual({
    joined: { status: 201, topic: 'orders', joined: true, maxMessages: 100 },
    published: hello,
    keyed: [
      { ...once, replayed: null },
      { ...once, replayed: 'true' },
    ],
    history: [['hello'], ['once']],
    resumed: [['once']],
    refused: { status: 404, contentType: expect.stringMatching(/^application\/problem\+json/), code: 'topic_not_found' },
  })
}

import { expect, test } from 'vitest'
import { runInProcess } from './run-in-process.ts'

test.each(['topics', 'peers', 'consumers', 'webhooks', 'context', 'token'])(
  'a word that names no command of `%s` is refused as such, and its commands are listed',
  async (group) => {
    const { code, stderr } = await runInProcess([group, 'fly'])
    expect(code).toBe(64)
    expect(stderr).toMatch(/^error: unknown command 'fly'/)
    expect(stderr).toContain(`Usage: peergate ${group} [options] [command]`)
  },
)

test('options of the default command of a group need not name it', async () => {
  expect(await runInProcess(['peers', '--state', 'lost'])).toMatchObject({ code: 64, stderr: expect.stringContaining('Allowed choices') })
})

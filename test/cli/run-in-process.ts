import { onTestFinished, vi } from 'vitest'
import { exitCodeOf, wordsOf } from '../../src/cli/failures.ts'
import { createProgram } from '../../src/cli/program.ts'
import { temporaryDirectory } from '../fixtures/temporary.ts'

export interface Ended {
  code: number
  stdout: string
  stderr: string
}

/** Runs `peergate` in this process, with no contexts but those given by flags. */
export async function runInProcess(args: string[]): Promise<Ended> {
  vi.stubEnv('XDG_CONFIG_HOME', await temporaryDirectory())
  const written = { stdout: '', stderr: '' }
  const spies = (['stdout', 'stderr'] as const).map((name) =>
    vi.spyOn(process[name], 'write').mockImplementation((text) => {
      written[name] += String(text)
      return true
    }),
  )
  const restore = () => {
    for (const spy of spies) spy.mockRestore()
    vi.unstubAllEnvs()
  }
  onTestFinished(restore)
  try {
    await createProgram().parseAsync(args, { from: 'user' })
    return { code: 0, ...written }
  } catch (error) {
    if (!(error instanceof Error)) throw error
    return { ...written, code: exitCodeOf(error), stderr: written.stderr + wordsOf(error) }
  } finally {
    restore()
  }
}

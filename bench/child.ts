import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'

/** A module of the benchmark in a process of its own, so that it has a core of its own; the two speak in messages, one at a time. */
export interface Child {
  readonly pid: number
  say(message: object): void
  /** Says something and resolves with the answer. @throws Error when the process ends, or says nothing for a minute */
  ask<Answer>(question: object): Promise<Answer>
  /** What it says next by itself. @throws what `ask` throws */
  next<Message>(): Promise<Message>
  end(): Promise<void>
}

const patienceMs = 60_000

/**
 * @param file beside this module
 * @param preload a module to load before it
 */
export function startChild(file: string, args: string[] = [], preload?: string): Child {
  const child = fork(new URL(file, import.meta.url), args, { execArgv: preload === undefined ? [] : ['--import', preload] })

  function say(message: object): void {
    child.send(message)
  }

  return {
    pid: child.pid ?? 0,
    say,
    ask(question) {
      say(question)
      return nextMessage(child, file)
    },
    next: () => nextMessage(child, file),
    async end() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const closed = once(child, 'close')
      child.kill('SIGKILL')
      await closed
    },
  }
}

async function nextMessage<Message>(child: ChildProcess, file: string): Promise<Message> {
  const listening = new AbortController()
  const signal = AbortSignal.any([listening.signal, AbortSignal.timeout(patienceMs)])
  const ended = once(child, 'close', { signal }).then(([code, by]) => {
    throw new Error(`${file} ended with ${code ?? by}`)
  })
  try {
    const [message] = await Promise.race([once(child, 'message', { signal }), ended])
    return message
  } finally {
    listening.abort()
  }
}

/** A server that tells its port when it listens. */
export interface ServerChild extends Child {
  readonly url: string
}

export async function startServer(file: string, args: string[] = [], preload?: string): Promise<ServerChild> {
  const child = startChild(file, args, preload)
  const { port } = await child.next<{ port: number }>()
  return { ...child, url: `http://127.0.0.1:${port}` }
}

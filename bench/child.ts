import { fork } from 'node:child_process'
import { on, once } from 'node:events'
import { setTimeout as sleep } from 'node:timers/promises'

/** A benchmark module in its own process, and so on its own core. Both sides exchange messages, one at a time. */
export interface Child {
  readonly pid: number
  say(message: object): void
  /** Sends a message and resolves with the answer. @throws Error when the process ends, or is silent for a minute */
  ask<Answer>(question: object): Promise<Answer>
  /** The next message that it sends by itself. @throws as `ask` */
  next<Message>(): Promise<Message>
  end(): Promise<void>
}

const patienceMs = 60_000

/**
 * @param file relative to this module
 * @param preload a module to load before it
 */
export function startChild(file: string, args: string[] = [], preload?: string): Child {
  const child = fork(new URL(file, import.meta.url), args, { execArgv: preload === undefined ? [] : ['--import', preload] })
  const messages = on(child, 'message', { close: ['close'] })

  function say(message: object): void {
    child.send(message)
  }

  async function next<Message>(): Promise<Message> {
    const found = new AbortController()
    const silence = sleep(patienceMs, undefined, { signal: found.signal }).then(() => {
      throw new Error(`${file} has been silent for ${patienceMs} ms`)
    })
    try {
      const { value, done } = await Promise.race([messages.next(), silence])
      if (done === true) throw new Error(`${file} ended with ${child.exitCode ?? child.signalCode}`)
      return value[0]
    } finally {
      found.abort()
    }
  }

  return {
    pid: child.pid ?? 0,
    say,
    next,
    ask(question) {
      say(question)
      return next()
    },
    async end() {
      if (child.exitCode !== null || child.signalCode !== null) return
      const closed = once(child, 'close')
      child.kill('SIGKILL')
      await closed
    },
  }
}

/** A server process that reports its port when it listens. */
export interface ServerChild extends Child {
  readonly url: string
}

export async function startServer(file: string, args: string[] = [], preload?: string): Promise<ServerChild> {
  const child = startChild(file, args, preload)
  const { port } = await child.next<{ port: number }>()
  return { ...child, url: `http://127.0.0.1:${port}` }
}

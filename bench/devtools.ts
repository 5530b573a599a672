import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { createInterface } from 'node:readline'
import { WebSocket } from 'ws'
import { z } from 'zod'
import { temporaryDirectory } from './temporary-directory.ts'

/**
 * A page of Chromium, driven by the DevTools protocol alone. Playwright has the browser report each frame of a WebSocket,
 * which costs several times what the frame costs the page.
 */
export interface Page {
  /** Evaluates an expression in the page, waits for a promise, and answers with a copy as JSON. */
  evaluate(expression: string): Promise<unknown>
  /** Presses and releases the mouse on the middle of an element. @param element an expression */
  click(element: string): Promise<void>
  /** Processor time of the main thread since the page was opened, in seconds. */
  busySeconds(): Promise<number>
}

const targetSchema = z.object({ webSocketDebuggerUrl: z.string() })
const replySchema = z.object({
  id: z.number().optional(),
  result: z.unknown().optional(),
  error: z.object({ message: z.string() }).optional(),
})
const evaluatedSchema = z.object({
  result: z.object({ value: z.unknown().optional() }),
  exceptionDetails: z.object({ text: z.string() }).optional(),
})
const metricsSchema = z.object({ metrics: z.array(z.object({ name: z.string(), value: z.number() })) })
const pointSchema = z.tuple([z.number(), z.number()])

type Send = (method: string, params?: object) => Promise<unknown>

export async function openPage(executablePath: string, url: string, resources: AsyncDisposableStack): Promise<Page> {
  const send = await connect(await startBrowser(executablePath, resources), resources)
  await send('Performance.enable', { timeDomain: 'threadTicks' })
  async function evaluate(expression: string): Promise<unknown> {
    const answer = await send('Runtime.evaluate', { expression, awaitPromise: true, returnByValue: true })
    const { result, exceptionDetails } = evaluatedSchema.parse(answer)
    if (exceptionDetails !== undefined) throw new Error(`${expression}: ${exceptionDetails.text}`)
    return result.value
  }
  // It is answered when the page has taken the place of the blank one.
  await send('Page.navigate', { url })
  await evaluate(until(`document.readyState === 'complete'`))
  return {
    evaluate,
    async click(element) {
      const box = `(() => { ${element}.scrollIntoViewIfNeeded(); const box = ${element}.getBoundingClientRect(); return [box.x + box.width / 2, box.y + box.height / 2] })()`
      const [x, y] = pointSchema.parse(await evaluate(box))
      for (const type of ['mousePressed', 'mouseReleased']) {
        await send('Input.dispatchMouseEvent', { type, x, y, button: 'left', clickCount: 1 })
      }
    },
    async busySeconds() {
      const { metrics } = metricsSchema.parse(await send('Performance.getMetrics'))
      return metrics.find(({ name }) => name === 'TaskDuration')?.value ?? Number.NaN
    },
  }
}

/** An expression whose promise resolves when a condition holds. */
export function until(condition: string): string {
  return `new Promise((resolve) => { const look = () => (${condition}) ? resolve(true) : setTimeout(look, 20); look() })`
}

/** @returns the address at which a page is driven */
async function startBrowser(executablePath: string, resources: AsyncDisposableStack): Promise<string> {
  const profile = await temporaryDirectory(resources)
  const flags = [
    '--headless=new',
    '--no-sandbox',
    '--no-first-run',
    '--remote-debugging-port=0',
    '--window-size=1280,1000',
    `--user-data-dir=${profile}`,
  ]
  const browser = spawn(executablePath, flags, { stdio: ['ignore', 'ignore', 'pipe'] })
  resources.defer(() => end(browser))
  const answer = await fetch(`http://127.0.0.1:${await portOf(browser)}/json/new`, { method: 'PUT' })
  return targetSchema.parse(await answer.json()).webSocketDebuggerUrl
}

async function end(browser: ChildProcess): Promise<void> {
  if (browser.exitCode !== null || browser.signalCode !== null) return
  const ended = once(browser, 'close')
  browser.kill('SIGKILL')
  await ended
}

async function portOf({ stderr }: ChildProcess): Promise<string> {
  if (stderr === null) throw new Error('the browser has no stderr')
  const said: string[] = []
  const lines = createInterface(stderr)
  for await (const line of lines) {
    said.push(line)
    const port = /^DevTools listening on ws:\/\/127\.0\.0\.1:(\d+)\//.exec(line)?.[1]
    if (port === undefined) continue
    stderr.resume()
    return port
  }
  throw new Error(`the browser ended:\n${said.join('\n')}`)
}

async function connect(url: string, resources: AsyncDisposableStack): Promise<Send> {
  const socket = new WebSocket(url)
  resources.defer(() => socket.terminate())
  await once(socket, 'open')
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  socket.on('message', (data) => {
    const { id = 0, result, error } = replySchema.parse(JSON.parse(String(data)))
    if (error === undefined) waiting.get(id)?.resolve(result)
    else waiting.get(id)?.reject(new Error(error.message))
    waiting.delete(id)
  })
  let calls = 0
  return async (method, params = {}) => {
    const answer = Promise.withResolvers<unknown>()
    waiting.set(++calls, answer)
    socket.send(JSON.stringify({ id: calls, method, params }))
    return await answer.promise
  }
}

import { emitKeypressEvents } from 'node:readline'

/** What is used of a terminal, and of its keys. */
type Output = Pick<NodeJS.EventEmitter, 'on' | 'off'> & { columns: number; rows: number; write(text: string): boolean }
type Input = NodeJS.ReadableStream & { isTTY: boolean; setRawMode(on: boolean): unknown }

/** A screen of its own on a terminal, which gets back what it showed before. */
export interface Screen extends Disposable {
  readonly columns: number
  readonly rows: number
  show(lines: string[]): void
}

const begin = '\u001b[?1049h\u001b[?25l'
const end = '\u001b[?25h\u001b[?1049l'

/** @param onKey is given the name of each key, such as `q` or `left`, and `resize` when the terminal has another size; Ctrl-C is `q` */
export function openScreen(streams: { stdin: Input; stdout: Output }, onKey: (name: string) => void): Screen {
  const { stdin, stdout } = streams
  const pressed = (_text: string | undefined, { name = '', ctrl }: { name?: string; ctrl?: boolean }) =>
    onKey(ctrl === true && name === 'c' ? 'q' : name)
  const resized = () => onKey('resize')
  stdout.write(begin)
  stdout.on('resize', resized)
  if (stdin.isTTY) {
    emitKeypressEvents(stdin)
    stdin.setRawMode(true)
    stdin.on('keypress', pressed)
    stdin.resume()
  }
  return {
    get columns() {
      return stdout.columns
    },
    get rows() {
      return stdout.rows
    },
    show(lines) {
      // Overwritten line by line, so that it does not flicker; what is left of the screen before is erased.
      stdout.write(`\u001b[H${lines.map((line) => `${line}\u001b[K`).join('\r\n')}\u001b[J`)
    },
    [Symbol.dispose]() {
      stdout.off('resize', resized)
      if (stdin.isTTY) {
        stdin.off('keypress', pressed)
        stdin.setRawMode(false)
        stdin.pause()
      }
      stdout.write(end)
    },
  }
}

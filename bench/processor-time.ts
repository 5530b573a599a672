import { readFile } from 'node:fs/promises'

/** Linux's unit for the times of a process. */
const ticksPerSecond = 100

/** The processor's time that a process has taken, in user and system mode (proc_pid_stat(5), fields 14 and 15), in seconds. */
export async function processorSeconds(pid: number): Promise<number> {
  const text = await readFile(`/proc/${pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  return (Number(fields[11]) + Number(fields[12])) / ticksPerSecond
}

import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Loaded into a server (`--import`), so that a benchmark can have its garbage collected: SIGUSR2 does. */

setFlagsFromString('--expose-gc')
const collect: (options: object) => void = runInNewContext('gc')
process.on('SIGUSR2', () => collect({ type: 'major', execution: 'sync', flavor: 'last-resort' }))

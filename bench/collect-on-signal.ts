import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

/** Loaded into a server (`--import`): SIGUSR2 starts a garbage collection. */

setFlagsFromString('--expose-gc')
const collect: (options: object) => void = runInNewContext('gc')
process.on('SIGUSR2', () => collect({ type: 'major', execution: 'sync', flavor: 'last-resort' }))

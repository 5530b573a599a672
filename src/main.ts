import { keepNewSpaceSmall } from './lib/new-space.ts'

// The program of `npm start`. As part of the command it is `peergate start`.
keepNewSpaceSmall()
const { runGateway } = await import('./cli/local/gateway.ts')
await runGateway()

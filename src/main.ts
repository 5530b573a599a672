import { runGateway } from './cli/local/gateway.ts'

// The program of `npm start`. As part of the command it is `peergate start`.
await runGateway()

/** `npx openapi-ts --input openapi.yaml` reads this. Imports end with `.ts`, as Node.js needs them. */
export default { output: { path: 'peergate', module: { extension: '.ts' } } }

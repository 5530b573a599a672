/**
 * How the operator runs a command of Peergate, such as `token create`: by the program of the package, which the
 * container image has too, or where the sources run as they are, in a checkout, by npm.
 */
export function ownCommand(words: string): string {
  return `${import.meta.filename.endsWith('.ts') ? 'npm run peergate --' : 'peergate'} ${words}`
}

/** The contract to try out. It is a page of its own too, whose calls have the session of this one. */
export function Explorer() {
  return <iframe class="explorer" src="/docs" title="The contract of the gateway" />
}

/** A value per key, created on first use. Only the `max` most recently used are kept. */
export function createLru<Share>(init: { max: number }, make: () => Share): (key: string) => Share {
  const shares = new Map<string, Share>()
  return (key) => {
    const share = shares.get(key) ?? make()
    shares.delete(key)
    shares.set(key, share)
    const [oldest] = shares.keys()
    if (shares.size > init.max && oldest !== undefined) shares.delete(oldest)
    return share
  }
}

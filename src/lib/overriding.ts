/** A proxy of an object with some of its methods replaced. */
export function overriding<T extends object>(target: T, methods: Partial<T>): T {
  return new Proxy(target, {
    get(object, name) {
      const own: unknown = Reflect.get(methods, name)
      if (own !== undefined) return own
      const inherited: unknown = Reflect.get(object, name)
      return typeof inherited === 'function' ? inherited.bind(object) : inherited
    },
  })
}

import type { SpanStart, Tracer } from '@coffer/tracing'

type Method = (...args: unknown[]) => Promise<unknown>

/**
 * The same object, each method for which `startOf` has a span in one of its own, where a trace is kept. Arguments and results are
 * not looked at.
 */
export function traceCalls<T extends object>(
  target: T,
  tracer: Tracer | undefined,
  startOf: (method: string) => SpanStart | undefined,
): T {
  if (tracer === undefined) return target
  const traced = new Map<PropertyKey, unknown>()
  return new Proxy(target, {
    get(_, name) {
      if (traced.has(name)) return traced.get(name)
      const member: unknown = Reflect.get(target, name, target)
      if (typeof member !== 'function') return member
      const method = member.bind(target) as Method
      const start = startOf(String(name))
      const shown = start === undefined ? method : (...args: unknown[]) => tracer.child(start, () => method(...args))
      traced.set(name, shown)
      return shown
    },
  })
}

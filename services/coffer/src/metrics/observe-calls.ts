import { isCofferError } from '@coffer/errors'

/** `unavailable`: nobody answered; `refused`: any other error. */
export type CallOutcome = 'ok' | 'refused' | 'unavailable'

export type CallObserver = (outcome: CallOutcome, seconds: number) => void

type Method = (...args: unknown[]) => Promise<unknown>

/**
 * The same object, each method for which `observerOf` has an observer watched: its calls, how they end and how long they take.
 * Methods that are not watched cost nothing more.
 */
export function observeCalls<T extends object>(target: T, observerOf: (method: string) => CallObserver | undefined): T {
  const watched = new Map<PropertyKey, unknown>()
  return new Proxy(target, {
    get(_, name) {
      if (watched.has(name)) return watched.get(name)
      const member: unknown = Reflect.get(target, name, target)
      if (typeof member !== 'function') return member
      const observer = observerOf(String(name))
      const method = member.bind(target) as Method
      const shown = observer === undefined ? method : watch(method, observer)
      watched.set(name, shown)
      return shown
    },
  })
}

function watch(method: Method, observer: CallObserver): Method {
  return async (...args) => {
    const startedAt = performance.now()
    try {
      const value = await method(...args)
      observer('ok', secondsSince(startedAt))
      return value
    } catch (error) {
      observer(outcomeOf(error), secondsSince(startedAt))
      throw error
    }
  }
}

export function outcomeOf(error: unknown): CallOutcome {
  return isCofferError(error) && !UNAVAILABLE.has(error.code) ? 'refused' : 'unavailable'
}

const UNAVAILABLE: ReadonlySet<string> = new Set([
  'KMS_UNAVAILABLE',
  'MESH_CALL_FAILED',
  'MESH_SERVICE_UNAVAILABLE',
  'META_STORE_CLOSED',
  'META_UNAVAILABLE',
])

function secondsSince(startedAt: number): number {
  return (performance.now() - startedAt) / 1000
}

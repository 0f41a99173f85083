import type { Timing } from './timing.ts'

/**
 * What `run` gives, or `expired()` as a rejection when `limitMs` are over. A value that comes later goes to `discard`; a failure
 * that comes later, or in `discard`, is nobody's any more.
 */
export function withinTime<T>(
  run: () => Promise<T>,
  limit: { limitMs: number; expired: () => Error; discard: (late: T) => void },
  timing: Timing,
): Promise<T> {
  return new Promise((resolve, reject) => {
    let late = false
    const cancel = timing.after(limit.limitMs, () => {
      late = true
      reject(limit.expired())
    })
    // Promise.try: a connector that throws at once is one that rejects.
    Promise.try(run)
      .then(
        (value) => {
          if (late) return limit.discard(value)
          cancel()
          resolve(value)
        },
        (error: unknown) => {
          cancel()
          reject(error)
        },
      )
      .catch(() => undefined)
  })
}

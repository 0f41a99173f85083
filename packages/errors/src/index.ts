/**
 * The base of every error that Coffer raises on purpose.
 *
 * `code` is API: `PACKAGE_FACT`, never changed once released. `message` is for people and may change. An error crosses
 * process borders as its {@link CofferErrorShape}; nothing secret may be put into it.
 */
export interface CofferErrorShape {
  readonly code: string
  readonly message: string
  /** Plain facts about what it happened to (bucket, key, part number...), never key material. */
  readonly details?: Readonly<Record<string, string | number | boolean>>
}

export class CofferError extends Error {
  readonly code: string
  readonly details: Readonly<Record<string, string | number | boolean>>

  constructor(shape: CofferErrorShape, options?: { cause?: unknown }) {
    super(shape.message, options)
    this.name = 'CofferError'
    this.code = shape.code
    this.details = shape.details ?? {}
  }

  toJSON(): CofferErrorShape {
    return { code: this.code, message: this.message, details: this.details }
  }
}

/** Whether `error` is a CofferError, with this code if one is given. The one way to branch on an error. */
export function isCofferError(error: unknown, code?: string): error is CofferError {
  return error instanceof CofferError && (code === undefined || error.code === code)
}

/** An error for a state that the code before it rules out: a bug of ours, never a user's fault. */
export function invariant(condition: unknown, message: string): asserts condition {
  if (!condition) throw new CofferError({ code: 'INTERNAL_INVARIANT', message })
}

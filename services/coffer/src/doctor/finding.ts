/** What the doctor says of one thing that it looked at. Codes are API. */
export interface Finding {
  readonly level: 'ok' | 'warning' | 'problem'
  /** `certificate-expired`, `disk-low`...; the same whatever it is about. */
  readonly code: string
  /** A path, an address, a service. */
  readonly about: string
  /** What is so, and what to do where it should be otherwise. */
  readonly text: string
}

export const ok = (code: string, about: string, text: string): Finding => ({ level: 'ok', code, about, text })
export const warning = (code: string, about: string, text: string): Finding => ({ level: 'warning', code, about, text })
export const problem = (code: string, about: string, text: string): Finding => ({ level: 'problem', code, about, text })

/** Why something failed, in a few words that are no secret. */
export function reasonOf(error: unknown): string {
  if (!(error instanceof Error)) return String(error)
  return 'code' in error ? `${error.message} [${String(error.code)}]` : error.message
}

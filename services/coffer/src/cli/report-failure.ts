import { isCofferError } from '@coffer/errors'

/** Tells a failed command to a person: the code and what to do; a stack only where it is a bug of ours. */
export function reportFailure(error: unknown): void {
  process.exitCode = 1
  if (isCofferError(error) && error.code !== 'INTERNAL_INVARIANT') {
    const causes = causesOf(error).map((cause) => `\n  because: ${cause}`)
    process.stderr.write(`coffer: ${error.message} [${error.code}]${causes.join('')}\n`)
    return
  }
  const text = error instanceof Error ? (error.stack ?? error.message) : String(error)
  process.stderr.write(`coffer: unexpected error, please report it: ${text}\n`)
}

const CAUSES_MAX = 3

function causesOf(error: Error): string[] {
  const causes: string[] = []
  for (let cause = error.cause; cause instanceof Error && causes.length < CAUSES_MAX; cause = cause.cause) {
    causes.push(isCofferError(cause) ? `${cause.message} [${cause.code}]` : cause.message)
  }
  return causes
}

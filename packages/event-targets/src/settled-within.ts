export class SettledTooLate extends Error {
  readonly code = 'TIMEOUT'

  constructor() {
    super('no answer in time')
  }
}

/** What `work` settles with, or a rejection with the code TIMEOUT. */
export async function settledWithin<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new SettledTooLate()), timeoutMs)
  })
  return await Promise.race([work, late]).finally(() => clearTimeout(timer))
}

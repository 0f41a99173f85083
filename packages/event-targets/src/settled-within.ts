/** What `work` settles with, or a rejection with the code TIMEOUT. */
export async function settledWithin<T>(work: Promise<T>, timeoutMs: number): Promise<T> {
  let timer: NodeJS.Timeout | undefined
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(Object.assign(new Error('no answer in time'), { code: 'TIMEOUT' })), timeoutMs)
  })
  return await Promise.race([work, late]).finally(() => clearTimeout(timer))
}

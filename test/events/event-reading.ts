/** What the tests read of a record of Amazon S3. */
export interface S3Record {
  readonly eventName: string
  readonly s3: {
    readonly bucket: { readonly name: string }
    readonly object: {
      readonly key: string
      readonly sequencer: string
      readonly versionId?: string
      readonly eTag?: string
    }
  }
}

const PATIENCE_MS = 60_000
const PAUSE_MS = 50

/** Reads until what is read is right, or for too long: then the last is for the test to look at. */
export async function eventually<T>(read: () => Promise<T>, isRight: (value: T) => boolean): Promise<T> {
  const deadline = Date.now() + PATIENCE_MS
  for (;;) {
    const value = await read()
    if (isRight(value) || Date.now() > deadline) return value
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS))
  }
}

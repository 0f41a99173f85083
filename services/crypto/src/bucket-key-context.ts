/** How an object's record names a bucket key. */
export const BUCKET_KEY_REF = 'bk:'

/** What the KMS binds a bucket key to. */
export function bucketKeyContext(id: string): Record<string, string> {
  return { purpose: 'bucket-key', bucketKeyId: id }
}

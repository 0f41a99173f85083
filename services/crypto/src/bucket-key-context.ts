/** What the KMS binds a bucket key to. */
export function bucketKeyContext(id: string): Record<string, string> {
  return { purpose: 'bucket-key', bucketKeyId: id }
}

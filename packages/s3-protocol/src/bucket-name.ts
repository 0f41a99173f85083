import { s3Error } from './errors.ts'

const LABELS = /^[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/
const IPV4 = /^\d{1,3}(\.\d{1,3}){3}$/
const RESERVED_PREFIXES = ['xn--', 'sthree-', 'amzn-s3-demo-']
const RESERVED_SUFFIXES = ['-s3alias', '--ol-s3', '.mrap', '--x-s3', '--table-s3']

/** S3 User Guide, "Bucket naming rules" (general purpose buckets). InvalidBucketName. */
export function assertBucketName(name: string): void {
  const valid =
    name.length >= 3 &&
    name.length <= 63 &&
    LABELS.test(name) &&
    !IPV4.test(name) &&
    !RESERVED_PREFIXES.some((prefix) => name.startsWith(prefix)) &&
    !RESERVED_SUFFIXES.some((suffix) => name.endsWith(suffix))
  if (!valid) throw s3Error('InvalidBucketName', { details: { BucketName: name } })
}

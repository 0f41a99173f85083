import type { BucketRecord } from '@coffer/metadata-store'
import { invalidArgument, renderListBuckets, s3Error } from '@coffer/s3-protocol'
import { xmlReply } from '../reply.ts'
import { accountOf } from '../requests.ts'
import type { Operation } from './operation.ts'

const PAGE_BUCKETS = 1000
/** S3 API, ListBuckets. */
const PAGE_BUCKETS_MAX = 10_000

/**
 * ListBuckets: the account's own, by prefix and region. All of them unless the client pages with max-buckets; their region is told
 * where one of these is asked for, as by AWS.
 */
export const listBuckets: Operation = async (request, context) => {
  const { query } = request.parsed
  const { accountId, canonicalId, accountName } = accountOf(request)
  const prefix = query.get('prefix') ?? ''
  const paged = query.has('max-buckets')
  const wantedMax = paged ? maxBucketsOf(query.get('max-buckets')) : Number.POSITIVE_INFINITY
  const region = query.get('bucket-region')
  const { region: ours } = context.options
  const buckets: BucketRecord[] = []
  let afterName: string | undefined = openToken(query.get('continuation-token'))
  // All buckets of a server are in its region (IllegalLocationConstraintException else).
  while (afterName !== undefined && buckets.length < wantedMax && (region === undefined || region === ours)) {
    const limit = Math.min(PAGE_BUCKETS, wantedMax - buckets.length)
    const page: { buckets: readonly BucketRecord[]; next?: string } = await context.metadata.listBuckets({
      ownerAccountId: accountId,
      prefix,
      afterName,
      limit,
    })
    buckets.push(...page.buckets)
    afterName = page.next
  }
  const result = renderListBuckets({
    owner: { id: canonicalId, displayName: accountName },
    buckets: buckets.map(({ name, createdAt }) => ({
      name,
      createdAt,
      ...((paged || region !== undefined || prefix !== '') && { region: ours }),
    })),
    ...(prefix !== '' && { prefix }),
    ...(afterName && buckets.length > 0 && { continuationToken: Buffer.from(afterName).toString('base64url') }),
  })
  return xmlReply(result)
}

/** 1 to 10,000. InvalidArgument. */
function maxBucketsOf(text = ''): number {
  const number = /^\d{1,5}$/.test(text) ? Number(text) : 0
  if (number >= 1 && number <= PAGE_BUCKETS_MAX) return number
  throw invalidArgument('max-buckets', text.slice(0, 20), `max-buckets must be between 1 and ${PAGE_BUCKETS_MAX}`)
}

function openToken(token: string | undefined): string {
  if (token === undefined) return ''
  const name = Buffer.from(token, 'base64url').toString()
  if (Buffer.from(name).toString('base64url') !== token) throw s3Error('InvalidArgument')
  return name
}

import type { BucketRecord } from '@coffer/metadata-store'
import { renderListBuckets, s3Error } from '@coffer/s3-protocol'
import { xmlReply } from '../reply.ts'
import { accountOf } from '../requests.ts'
import { pageLimitOf } from './list-parameters.ts'
import type { Operation } from './operation.ts'

const PAGE_BUCKETS = 1000

/** ListBuckets: the account's own. All of them unless the client pages with max-buckets. */
export const listBuckets: Operation = async (request, context) => {
  const { query } = request.parsed
  const { accountId, canonicalId, accountName } = accountOf(request)
  const prefix = query.get('prefix') ?? ''
  const paged = query.has('max-buckets')
  const limit = paged ? pageLimitOf(request.parsed, 'max-buckets') : PAGE_BUCKETS
  const buckets: BucketRecord[] = []
  let afterName: string | undefined = openToken(query.get('continuation-token'))
  do {
    const page: { buckets: readonly BucketRecord[]; next?: string } = await context.metadata.listBuckets({
      ownerAccountId: accountId,
      prefix,
      afterName,
      limit,
    })
    buckets.push(...page.buckets)
    afterName = page.next
  } while (afterName !== undefined && !paged)
  const result = renderListBuckets({
    owner: { id: canonicalId, displayName: accountName },
    buckets: buckets.map(({ name, createdAt }) => ({ name, createdAt })),
    ...(prefix !== '' && { prefix }),
    ...(afterName !== undefined && { continuationToken: Buffer.from(afterName).toString('base64url') }),
  })
  return xmlReply(result)
}

function openToken(token: string | undefined): string {
  if (token === undefined) return ''
  const name = Buffer.from(token, 'base64url').toString()
  if (Buffer.from(name).toString('base64url') !== token) throw s3Error('InvalidArgument')
  return name
}

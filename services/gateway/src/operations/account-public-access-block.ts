import { isCofferError } from '@coffer/errors'
import { parsePublicAccessBlock, renderPublicAccessBlock, s3Error } from '@coffer/s3-protocol'
import { collectDocument } from '../body/upload-payload.ts'
import { emptyReply, xmlReply } from '../reply.ts'
import { type AuthorizedRequest, accountOf } from '../requests.ts'
import type { Operation } from './operation.ts'

/* S3 Control API: a public access block for all buckets of an account. It counts beside each bucket's own, from the next request on. */

const DOCUMENT_BYTES_MAX = 64 * 1024

/** GetPublicAccessBlock. NoSuchPublicAccessBlockConfiguration. */
export const getAccountPublicAccessBlock: Operation = async (request, context) => {
  const block = await context.options.mesh.use('iam').findPublicAccessBlock(namedAccount(request))
  if (block === undefined) throw s3Error('NoSuchPublicAccessBlockConfiguration')
  return xmlReply(renderPublicAccessBlock(block))
}

/** PutPublicAccessBlock. */
export const putAccountPublicAccessBlock: Operation = async (request, context) => {
  const accountId = namedAccount(request)
  const block = parsePublicAccessBlock(await collectDocument(request, DOCUMENT_BYTES_MAX))
  await context.options.mesh.use('iam').setPublicAccessBlock(accountId, block).catch(accountGone)
  context.buckets.accountBlocks.expire(accountId)
  return emptyReply(200)
}

/** DeletePublicAccessBlock. */
export const deleteAccountPublicAccessBlock: Operation = async (request, context) => {
  const accountId = namedAccount(request)
  await context.options.mesh.use('iam').setPublicAccessBlock(accountId).catch(accountGone)
  context.buckets.accountBlocks.expire(accountId)
  return emptyReply(204)
}

/** x-amz-account-id: nobody speaks for another account. AccessDenied. */
function namedAccount(request: AuthorizedRequest): string {
  const { accountId } = accountOf(request)
  if (request.parsed.headers['x-amz-account-id'] !== accountId) throw s3Error('AccessDenied')
  return accountId
}

/** Removed since its key was looked at. */
function accountGone(error: unknown): never {
  if (isCofferError(error, 'IAM_ACCOUNT_NOT_FOUND')) throw s3Error('AccessDenied', { cause: error })
  throw error
}

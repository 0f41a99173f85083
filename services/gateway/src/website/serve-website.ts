import { S3Error, s3Error, type WebsiteConfiguration } from '@coffer/s3-protocol'
import type { OpenBucket } from '../bucket/bucket-cache.ts'
import { toS3Error } from '../errors-to-s3.ts'
import type { GatewayContext } from '../gateway-context.ts'
import { getObject } from '../operations/get-object.ts'
import { headObject } from '../operations/head-object.ts'
import type { Reply } from '../reply.ts'
import type { LocatedRequest, UnderstoodRequest } from '../requests.ts'
import { authorize } from '../steps/authorize.ts'
import { withholdAbsence } from '../steps/withhold-absence.ts'
import { findRule, redirectBy, redirectTo } from './redirects.ts'

type Pages = Extract<WebsiteConfiguration, { indexSuffix: string }>

const REDIRECT_LOCATION = 'x-amz-website-redirect-location'
const FOUND = 302
const MOVED_PERMANENTLY = 301

/**
 * A request to a website's host name (S3 User Guide, "Hosting a static website"): always anonymous, GET and HEAD only; what it shows
 * has to be public. Errors are HTML.
 */
export async function serveWebsite(request: UnderstoodRequest, context: GatewayContext): Promise<Reply> {
  const { method, bucket: name, key, secure, headers } = request.parsed
  try {
    if (method !== 'GET' && method !== 'HEAD') throw s3Error('MethodNotAllowed')
    const bucket = await context.buckets.find(name)
    if (bucket === undefined) throw s3Error('NoSuchBucket', { details: { BucketName: name } })
    const { website } = bucket.config
    if (website === undefined) throw s3Error('NoSuchWebsiteConfiguration', { details: { BucketName: name } })
    const asked = { key, host: headers.host ?? '', secure }
    if ('redirectAllTo' in website) return redirectBy({ redirect: website.redirectAllTo }, asked)
    const rule = findRule(website.rules, key, undefined)
    if (rule !== undefined) return redirectBy(rule, asked)
    return await showPage(request, context, bucket, website)
  } catch (error) {
    return errorPage(method, toS3Error(error, context.options.logger))
  }
}

async function showPage(
  request: UnderstoodRequest,
  context: GatewayContext,
  bucket: OpenBucket,
  website: Pages,
): Promise<Reply> {
  const { key, method, secure, headers } = request.parsed
  const isFolder = key === '' || key.endsWith('/')
  try {
    const page = await showObject(request, context, bucket, isFolder ? key + website.indexSuffix : key)
    const location = page.headers[REDIRECT_LOCATION]
    if (location === undefined) return page
    await page.stream?.return()
    return redirectTo(MOVED_PERMANENTLY, String(location))
  } catch (error) {
    if (!(error instanceof S3Error) || error.status < 400) throw error
    if (!isFolder && (await isShown(request, context, bucket, `${key}/${website.indexSuffix}`))) {
      return redirectTo(FOUND, `/${encodeURI(key.toWellFormed())}/`)
    }
    const rule = findRule(website.rules, key, error.status)
    if (rule !== undefined) return redirectBy(rule, { key, host: headers.host ?? '', secure })
    if (website.errorKey === undefined) throw error
    const page = await showObject(request, context, bucket, website.errorKey).catch(() => undefined)
    return page === undefined ? errorPage(method, error) : { ...page, status: error.status }
  }
}

async function isShown(request: UnderstoodRequest, context: GatewayContext, bucket: OpenBucket, key: string) {
  const head = { ...request, parsed: { ...request.parsed, method: 'HEAD' } }
  return await showObject(head, context, bucket, key).then(
    () => true,
    () => false,
  )
}

/** The object as GetObject or HeadObject gives it to nobody. */
async function showObject(
  request: UnderstoodRequest,
  context: GatewayContext,
  bucket: OpenBucket,
  key: string,
): Promise<Reply> {
  const isHead = request.parsed.method === 'HEAD'
  const located: LocatedRequest = {
    ...request,
    parsed: { ...request.parsed, key, query: new Map(), operation: isHead ? 'HeadObject' : 'GetObject' },
    authentication: { kind: 'anonymous', payload: { kind: 'unsigned' } },
    principal: 'anonymous',
    bucket,
  }
  const authorized = await authorize(located, context)
  const operation = isHead ? headObject : getObject
  return await operation(authorized, context).catch((error: unknown) => withholdAbsence(authorized, error))
}

/** Of fixed texts and codes only: nothing of the request is repeated. */
function errorPage(method: string, { status, code, headers }: S3Error): Reply {
  const title = `${status} ${code}`
  const body = `<!DOCTYPE html>\n<html><head><title>${title}</title></head><body><h1>${title}</h1></body></html>\n`
  return {
    status,
    headers: { ...headers, 'content-type': 'text/html; charset=utf-8', 'content-length': Buffer.byteLength(body) },
    body: method === 'HEAD' || status === 304 ? '' : body,
  }
}

import type { WebsiteRedirect, WebsiteRule } from '@coffer/s3-protocol'
import type { Reply } from '../reply.ts'

const MOVED_PERMANENTLY = 301

/** The first rule that is about this key, before (`status` undefined) or after it could not be shown. */
export function findRule(
  rules: readonly WebsiteRule[],
  key: string,
  status: number | undefined,
): WebsiteRule | undefined {
  return rules.find(({ keyPrefix = '', errorStatus }) => errorStatus === status && key.startsWith(keyPrefix))
}

/** Where a request is sent by a rule (S3 API, Redirect). */
export function redirectBy(
  { redirect, keyPrefix = '' }: { readonly redirect: WebsiteRedirect; readonly keyPrefix?: string },
  request: { readonly key: string; readonly host: string; readonly secure: boolean },
): Reply {
  const { host = request.host, protocol = request.secure ? 'https' : 'http', status = MOVED_PERMANENTLY } = redirect
  const key =
    redirect.replaceKeyWith ??
    (redirect.replaceKeyPrefixWith === undefined
      ? request.key
      : redirect.replaceKeyPrefixWith + request.key.slice(keyPrefix.length))
  return redirectTo(status, `${protocol}://${host}/${encodeURI(key.toWellFormed())}`)
}

export function redirectTo(status: number, location: string): Reply {
  return { status, headers: { location }, body: '' }
}

import { invalidArgument, s3Error } from '../errors.ts'
import { assertKey } from '../request.ts'
import { findText, knownChildren, parseXml } from '../xml/parse-xml.ts'
import type { FormFields } from './form-data.ts'

/** What a form asks for, as PutObject would be asked (S3 API, "POST Object"). */
export interface PostForm {
  readonly key: string
  /** The headers that a PUT would have had. */
  readonly headers: Readonly<Record<string, string>>
  /** The answer that the form asks for. */
  readonly success: { readonly status: 200 | 201 | 204; readonly redirect?: string }
}

/** Fields that are headers of a PUT under the same name. */
const HEADER_FIELD =
  /^(?:cache-control|content-type|content-disposition|content-encoding|content-language|content-md5|expires|x-amz-(?!algorithm$|credential$|date$|signature$|security-token$|content-sha256$|copy-source)[a-z0-9-]+)$/

// biome-ignore lint/suspicious/noTemplateCurlyInString: S3's own placeholder, not one of JavaScript.
const FILE_NAME_PLACEHOLDER = '${filename}'

/** `fields` as the policy sees them: ${filename} is replaced in all of them (S3 API, "POST Object"). */
export function withFileName({ fields, fileName }: FormFields): ReadonlyMap<string, string> {
  const isSigned = (name: string): boolean => name === 'policy' || name === 'x-amz-signature'
  return new Map(
    fields
      .entries()
      .map(([name, value]) => [name, isSigned(name) ? value : value.replaceAll(FILE_NAME_PLACEHOLDER, () => fileName)]),
  )
}

/** InvalidArgument, KeyTooLongError, InvalidURI, MalformedXML. */
export function parsePostForm(fields: ReadonlyMap<string, string>): PostForm {
  const key = fields.get('key') ?? ''
  if (key === '') {
    throw s3Error('InvalidArgument', {
      message:
        "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields.",
      details: { ArgumentName: 'key', ArgumentValue: '' },
    })
  }
  assertKey(key)
  const redirect = redirectOf(fields.get('success_action_redirect') ?? fields.get('redirect'))
  return {
    key,
    headers: headersOf(fields),
    success: {
      status: statusOf(fields.get('success_action_status')),
      ...(redirect !== undefined && { redirect }),
    },
  }
}

function headersOf(fields: ReadonlyMap<string, string>): Readonly<Record<string, string>> {
  const headers: [name: string, value: string][] = []
  for (const [name, value] of fields) {
    if (!HEADER_FIELD.test(name)) continue
    if (/[\r\n\0]/.test(value)) throw invalidArgument(name, value, 'A field that becomes a header is one line.')
    // A header's character is a byte as it came.
    headers.push([name, Buffer.from(value).toString('latin1')])
  }
  const acl = fields.get('acl')
  if (acl !== undefined) headers.push(['x-amz-acl', acl])
  const tagging = fields.get('tagging')
  if (tagging !== undefined) headers.push(['x-amz-tagging', taggingHeader(tagging)])
  return Object.fromEntries(headers)
}

/** The field is a document, the header is like a query. */
function taggingHeader(document: string): string {
  const root = knownChildren(parseXml(Buffer.from(document), 'Tagging'), ['TagSet'])
  const tags = root.flatMap((set) => knownChildren(set, ['Tag']))
  const pairs = tags.map((tag) => [findText(tag, 'Key'), findText(tag, 'Value')] as const)
  return pairs
    .map(([name, value]) => {
      if (name === undefined || value === undefined) throw s3Error('MalformedXML')
      return `${encodeURIComponent(name)}=${encodeURIComponent(value)}`
    })
    .join('&')
}

/** S3 API: any other status is passed over. */
function statusOf(text: string | undefined): 200 | 201 | 204 {
  return text === '200' ? 200 : text === '201' ? 201 : 204
}

/** S3 API: what is no URL is passed over. */
function redirectOf(text: string | undefined): string | undefined {
  if (text === undefined || !/^https?:\/\//i.test(text) || /[^\x21-\x7e]/.test(text)) return undefined
  return URL.canParse(text) ? text : undefined
}

/** Where a browser is sent after the upload: the bucket, the key and the ETag are told in the query. */
export function redirectLocation(redirect: string, object: { bucket: string; key: string; etag: string }): string {
  const [address = '', fragment] = redirect.split('#', 2)
  const { bucket, key, etag } = object
  const query = `bucket=${encodeURIComponent(bucket)}&key=${encodeURIComponent(key)}&etag=${encodeURIComponent(etag)}`
  const told = `${address}${address.includes('?') ? '&' : '?'}${query}`
  return fragment === undefined ? told : `${told}#${fragment}`
}

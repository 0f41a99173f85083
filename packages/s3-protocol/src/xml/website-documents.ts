import { invalidArgument, s3Error } from '../errors.ts'
import { findChild, findText, knownChildren, parseXml, type XmlElement } from './parse-xml.ts'
import { element, xmlDocument } from './write-xml.ts'

type Protocol = 'http' | 'https'

/** S3 API, Redirect: what is absent stays as in the request. */
export interface WebsiteRedirect {
  readonly host?: string
  readonly protocol?: Protocol
  readonly status?: number
  readonly replaceKeyWith?: string
  readonly replaceKeyPrefixWith?: string
}

/** S3 API, RoutingRule. */
export interface WebsiteRule {
  readonly keyPrefix?: string
  readonly errorStatus?: number
  readonly redirect: WebsiteRedirect
}

/** S3 API, WebsiteConfiguration: another host for all, or an index document with what goes beside it. */
export type WebsiteConfiguration =
  | { readonly redirectAllTo: { readonly host: string; readonly protocol?: Protocol } }
  | { readonly indexSuffix: string; readonly errorKey?: string; readonly rules: readonly WebsiteRule[] }

/** S3 User Guide, "Configuring advanced conditional redirects": at most 50 rules. */
const RULES_MAX = 50
const KEY_BYTES_MAX = 1024
const HOST = /^[A-Za-z0-9.-]{1,255}(?::\d{1,5})?$/
const REDIRECT_STATUS = /^3\d\d$/
const ERROR_STATUS = /^[45]\d\d$/

/** PutBucketWebsite. MalformedXML, InvalidArgument. */
export function parseWebsiteConfiguration(bytes: Uint8Array): WebsiteConfiguration {
  const root = parseXml(bytes, 'WebsiteConfiguration')
  knownChildren(root, ['IndexDocument', 'ErrorDocument', 'RedirectAllRequestsTo', 'RoutingRules'])
  const all = findChild(root, 'RedirectAllRequestsTo')
  const index = findChild(root, 'IndexDocument')
  if ((all === undefined) === (index === undefined)) throw s3Error('MalformedXML')
  if (all !== undefined) {
    if (root.children.length > 1) throw s3Error('MalformedXML')
    knownChildren(all, ['HostName', 'Protocol'])
    const host = hostOf(findText(all, 'HostName'))
    const protocol = protocolOf(findText(all, 'Protocol'))
    if (host === undefined) throw s3Error('MalformedXML')
    return { redirectAllTo: { host, ...(protocol && { protocol }) } }
  }
  const indexSuffix = index && findText(index, 'Suffix')
  if (!indexSuffix || indexSuffix.includes('/')) {
    throw invalidArgument('IndexDocument', indexSuffix ?? '', 'The IndexDocument Suffix is not well formed')
  }
  const error = findChild(root, 'ErrorDocument')
  const errorKey = error && keyOf(findText(error, 'Key'))
  if (error !== undefined && !errorKey) throw s3Error('MalformedXML')
  const rules = knownChildren(findChild(root, 'RoutingRules') ?? EMPTY, ['RoutingRule']).map(ruleOf)
  if (rules.length > RULES_MAX) throw s3Error('MalformedXML')
  return { indexSuffix: keyOf(indexSuffix) ?? '', ...(errorKey && { errorKey }), rules }
}

const EMPTY: XmlElement = { name: '', text: '', children: [] }

function ruleOf(rule: XmlElement): WebsiteRule {
  knownChildren(rule, ['Condition', 'Redirect'])
  const condition = findChild(rule, 'Condition') ?? EMPTY
  const redirect = findChild(rule, 'Redirect')
  knownChildren(condition, ['KeyPrefixEquals', 'HttpErrorCodeReturnedEquals'])
  if (redirect === undefined) throw s3Error('MalformedXML')
  const keyPrefix = keyOf(findText(condition, 'KeyPrefixEquals'))
  const errorStatus = statusOf(findText(condition, 'HttpErrorCodeReturnedEquals'), ERROR_STATUS)
  return {
    ...(keyPrefix !== undefined && { keyPrefix }),
    ...(errorStatus !== undefined && { errorStatus }),
    redirect: redirectOf(redirect),
  }
}

function redirectOf(redirect: XmlElement): WebsiteRedirect {
  knownChildren(redirect, ['HostName', 'Protocol', 'HttpRedirectCode', 'ReplaceKeyWith', 'ReplaceKeyPrefixWith'])
  const host = hostOf(findText(redirect, 'HostName'))
  const protocol = protocolOf(findText(redirect, 'Protocol'))
  const status = statusOf(findText(redirect, 'HttpRedirectCode'), REDIRECT_STATUS)
  const replaceKeyWith = keyOf(findText(redirect, 'ReplaceKeyWith'))
  const replaceKeyPrefixWith = keyOf(findText(redirect, 'ReplaceKeyPrefixWith'))
  const saysNothing = redirect.children.length === 0
  if (saysNothing || (replaceKeyWith !== undefined && replaceKeyPrefixWith !== undefined)) throw s3Error('MalformedXML')
  return {
    ...(host !== undefined && { host }),
    ...(protocol && { protocol }),
    ...(status !== undefined && { status }),
    ...(replaceKeyWith !== undefined && { replaceKeyWith }),
    ...(replaceKeyPrefixWith !== undefined && { replaceKeyPrefixWith }),
  }
}

function hostOf(text: string | undefined): string | undefined {
  if (text !== undefined && !HOST.test(text)) throw invalidArgument('HostName', text.slice(0, 100), 'Invalid host name')
  return text
}

function protocolOf(text: string | undefined): Protocol | undefined {
  if (text === undefined || text === '') return undefined
  if (text !== 'http' && text !== 'https') {
    throw s3Error('InvalidRequest', { message: 'Invalid protocol, protocol can be http or https.' })
  }
  return text
}

function statusOf(text: string | undefined, valid: RegExp): number | undefined {
  if (text === undefined || text === '') return undefined
  if (!valid.test(text))
    throw s3Error('InvalidRequest', { message: `The provided HTTP status code is not valid: ${text.slice(0, 20)}` })
  return Number(text)
}

function keyOf(text: string | undefined): string | undefined {
  if (text !== undefined && Buffer.byteLength(text) > KEY_BYTES_MAX) throw s3Error('KeyTooLongError')
  return text
}

/** GetBucketWebsite. */
export function renderWebsiteConfiguration(website: WebsiteConfiguration): string {
  if ('redirectAllTo' in website) {
    const { host, protocol } = website.redirectAllTo
    const content = element('HostName', host) + element('Protocol', protocol)
    return xmlDocument('WebsiteConfiguration', `<RedirectAllRequestsTo>${content}</RedirectAllRequestsTo>`)
  }
  const { indexSuffix, errorKey, rules } = website
  return xmlDocument(
    'WebsiteConfiguration',
    `<IndexDocument>${element('Suffix', indexSuffix)}</IndexDocument>` +
      (errorKey === undefined ? '' : `<ErrorDocument>${element('Key', errorKey)}</ErrorDocument>`) +
      (rules.length === 0 ? '' : `<RoutingRules>${rules.map(renderRule).join('')}</RoutingRules>`),
  )
}

function renderRule({ keyPrefix, errorStatus, redirect }: WebsiteRule): string {
  const condition = element('KeyPrefixEquals', keyPrefix) + element('HttpErrorCodeReturnedEquals', errorStatus)
  const to =
    element('Protocol', redirect.protocol) +
    element('HostName', redirect.host) +
    element('ReplaceKeyPrefixWith', redirect.replaceKeyPrefixWith) +
    element('ReplaceKeyWith', redirect.replaceKeyWith) +
    element('HttpRedirectCode', redirect.status)
  return `<RoutingRule>${condition && `<Condition>${condition}</Condition>`}<Redirect>${to}</Redirect></RoutingRule>`
}

import { invalidArgument, s3Error } from '../errors.ts'
import { findText, knownChildren, parseXml, type XmlElement } from '../xml/parse-xml.ts'
import { element, xmlDocument } from '../xml/write-xml.ts'
import { CORS_METHODS, type CorsMethod, type CorsRule } from './cors-rules.ts'

/** S3 User Guide, "CORS configuration". */
const RULES_MAX = 100
const ID_CHARS_MAX = 255
const VALUES_MAX = 100
const VALUE_CHARS_MAX = 1024
/** RFC 9110, section 5.1. */
const HEADER_NAME = /^[A-Za-z0-9!#$%&'*+\-.^_`|~]+$/
const ORIGIN = /^[\x21-\x7e]+$/

/** PutBucketCors. MalformedXML, InvalidRequest. */
export function parseCorsConfiguration(bytes: Uint8Array): CorsRule[] {
  const rules = knownChildren(parseXml(bytes, 'CORSConfiguration'), ['CORSRule'])
  if (rules.length === 0 || rules.length > RULES_MAX) throw s3Error('MalformedXML')
  const parsed = rules.map(parseRule)
  const ids = parsed.flatMap(({ id }) => (id === undefined ? [] : [id]))
  if (new Set(ids).size < ids.length) throw invalid('Rule ID must be unique. Found same ID for more than one rule.')
  return parsed
}

function parseRule(rule: XmlElement): CorsRule {
  knownChildren(rule, ['ID', 'AllowedOrigin', 'AllowedMethod', 'AllowedHeader', 'ExposeHeader', 'MaxAgeSeconds'])
  const id = findText(rule, 'ID')?.trim()
  if (id !== undefined && id.length > ID_CHARS_MAX) throw invalidArgument('ID', id.slice(0, 100), 'The ID is too long.')
  const maxAge = findText(rule, 'MaxAgeSeconds')?.trim()
  if (maxAge !== undefined && !/^\d{1,9}$/.test(maxAge)) throw s3Error('MalformedXML')
  const allowedOrigins = valuesOf(rule, 'AllowedOrigin', ORIGIN)
  const allowedMethods = valuesOf(rule, 'AllowedMethod', /./).map(parseMethod)
  if (allowedOrigins.length === 0 || allowedMethods.length === 0) throw s3Error('MalformedXML')
  const exposeHeaders = valuesOf(rule, 'ExposeHeader', HEADER_NAME)
  if (exposeHeaders.some((name) => name.includes('*'))) {
    throw invalid('ExposeHeader contains wildcard. We currently do not support wildcard for ExposeHeader.')
  }
  return {
    ...(id && { id }),
    allowedOrigins,
    allowedMethods,
    allowedHeaders: valuesOf(rule, 'AllowedHeader', HEADER_NAME),
    exposeHeaders,
    ...(maxAge !== undefined && { maxAgeSeconds: Number(maxAge) }),
  }
}

function valuesOf(rule: XmlElement, name: string, form: RegExp): string[] {
  const values = rule.children.filter((child) => child.name === name).map(({ text }) => text.trim())
  if (values.length > VALUES_MAX) throw s3Error('MalformedXML')
  for (const value of values) {
    if (value.length > VALUE_CHARS_MAX || !form.test(value)) throw s3Error('MalformedXML')
    if (value.split('*').length > 2) throw invalid(`${name} "${value}" can not have more than one wildcard.`)
  }
  return values
}

function parseMethod(text: string): CorsMethod {
  const method = CORS_METHODS.find((known) => known === text)
  if (method === undefined) {
    throw invalid(`Found unsupported HTTP method in CORS config. Unsupported method is ${text.slice(0, 20)}`)
  }
  return method
}

function invalid(message: string) {
  return s3Error('InvalidRequest', { message })
}

/** GetBucketCors. */
export function renderCorsConfiguration(rules: readonly CorsRule[]): string {
  const all = (name: string, values: readonly string[]): string => values.map((value) => element(name, value)).join('')
  const rendered = rules.map(
    (rule) =>
      `<CORSRule>${element('ID', rule.id)}${all('AllowedMethod', rule.allowedMethods)}` +
      `${all('AllowedOrigin', rule.allowedOrigins)}${all('AllowedHeader', rule.allowedHeaders)}` +
      `${all('ExposeHeader', rule.exposeHeaders)}${element('MaxAgeSeconds', rule.maxAgeSeconds)}</CORSRule>`,
  )
  return xmlDocument('CORSConfiguration', rendered.join(''))
}

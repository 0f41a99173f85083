import { parseHttpDate } from '../dates.ts'
import { s3Error } from '../errors.ts'

const INT32_MAX = 2_147_483_647
const DAY_MS = 86_400_000

/** 1 or more. MalformedXML, InvalidArgument. */
export function parsePositive(text: string, name: string): number {
  const value = parseInteger(text)
  if (value < 1) throw s3Error('InvalidArgument', { message: `${name} must be a positive integer` })
  return value
}

/** 0 or more. MalformedXML, InvalidArgument. */
export function parseCount(text: string, name: string): number {
  const value = parseInteger(text)
  if (value < 0) throw s3Error('InvalidArgument', { message: `${name} must be nonnegative` })
  return value
}

/** MalformedXML, InvalidArgument. */
export function parseMidnight(text: string): number {
  const at = parseHttpDate(/^\d{4}-\d\d-\d\d$/.test(text) ? `${text}T00:00:00Z` : text.replace(/\+00:00$/, 'Z'))
  if (at === undefined || !/^\d{4}-/.test(text)) throw s3Error('MalformedXML')
  if (at % DAY_MS !== 0) throw s3Error('InvalidArgument', { message: "'Date' must be at midnight GMT" })
  return at
}

function parseInteger(text: string): number {
  if (!/^\s*[+-]?\d{1,18}\s*$/.test(text) || Number(text) > INT32_MAX) throw s3Error('MalformedXML')
  return Number(text)
}

const MONTHS = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec']
const MONTH = `(?<month>${MONTHS.join('|')})`
const TIME = '(?<hour>\\d\\d):(?<minute>\\d\\d):(?<second>\\d\\d)'
/** RFC 9110, section 5.6.7: the form in use, the two obsolete ones; and ISO 8601 in UTC, which S3 takes as well. */
const DATE_FORMS = [
  new RegExp(`^[A-Z][a-z]{2}, (?<day>\\d\\d) ${MONTH} (?<year>\\d{4}) ${TIME} (?:GMT|UTC|\\+0000)$`),
  new RegExp(`^[A-Z][a-z]{5,8}, (?<day>\\d\\d)-${MONTH}-(?<year>\\d\\d) ${TIME} GMT$`),
  new RegExp(`^[A-Z][a-z]{2} ${MONTH} (?<day>[ \\d]\\d) ${TIME} (?<year>\\d{4})$`),
  new RegExp(`^(?<year>\\d{4})-(?<month>\\d\\d)-(?<day>\\d\\d)T${TIME}(?:\\.\\d{1,9})?Z$`),
]
/** RFC 9110, section 5.6.7: a two-digit year more than 50 years ahead is one of the past. */
const YEARS_AHEAD_MAX = 50

const DAY_MS = 86_400_000
const DAY_SECONDS = 86_400
const TWO_DIGITS = Array.from({ length: 100 }, (_, number) => String(number).padStart(2, '0'))
let lastDay = { number: Number.NaN, text: '', http: '' }

/** `2026-11-23T16:03:57.000Z`: as S3 shows times in XML, in whole seconds like Last-Modified. The day is kept for the next call: a listing has many of one day. */
export function iso8601(atMs: number): string {
  return `${dayOf(atMs).text}${timeOf(atMs)}.000Z`
}

/** `Mon, 23 Nov 2026 16:03:57 GMT` (RFC 9110, section 5.6.7). The day is kept here too. */
export function httpDate(atMs: number): string {
  return `${dayOf(atMs).http}${timeOf(atMs)} GMT`
}

function dayOf(atMs: number): typeof lastDay {
  const number = Math.floor(atMs / DAY_MS)
  if (number !== lastDay.number) {
    const day = new Date(number * DAY_MS)
    lastDay = { number, text: day.toISOString().slice(0, -13), http: day.toUTCString().slice(0, -12) }
  }
  return lastDay
}

function timeOf(atMs: number): string {
  const seconds = Math.floor(atMs / 1000) - Math.floor(atMs / DAY_MS) * DAY_SECONDS
  const minutes = Math.floor(seconds / 60)
  return `${TWO_DIGITS[Math.floor(minutes / 60)]}:${TWO_DIGITS[minutes % 60]}:${TWO_DIGITS[seconds % 60]}`
}

/** The time of an HTTP date in milliseconds, always in UTC; undefined for what is none, a 30 February too. */
export function parseHttpDate(text: string): number | undefined {
  for (const form of DATE_FORMS) {
    const { year, month, day, hour, minute, second } = form.exec(text)?.groups ?? {}
    if (year === undefined || month === undefined) continue
    const named = MONTHS.indexOf(month)
    const monthIndex = named === -1 ? Number(month) - 1 : named
    const fullYear = year.length === 2 ? centuryOf(Number(year)) : Number(year)
    const at = new Date(Date.UTC(fullYear, monthIndex, Number(day), Number(hour), Number(minute), Number(second)))
    const exists =
      at.getUTCMonth() === monthIndex && at.getUTCDate() === Number(day) && at.getUTCHours() === Number(hour)
    return exists ? at.getTime() : undefined
  }
  return undefined
}

function centuryOf(twoDigits: number): number {
  const thisYear = new Date().getUTCFullYear()
  const year = thisYear - (thisYear % 100) + twoDigits
  return year > thisYear + YEARS_AHEAD_MAX ? year - 100 : year
}

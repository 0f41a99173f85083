import { tracingError } from './errors.ts'

const NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]{1,100}$/
const VALUE = /^[\t\x20-\x7e]{1,8000}$/

/**
 * Lines `name: value` (RFC 9110, section 5.1), as `curl -H @file` reads them; empty ones and those that begin with # are left out.
 * TRACING_SETTINGS_INVALID says which line, never what it holds.
 */
export function parseHeaderLines(text: string, path: string): Readonly<Record<string, string>> {
  const headers: Record<string, string> = {}
  for (const [index, line] of text.split(/\r?\n/).entries()) {
    if (line.trim() === '' || line.startsWith('#')) continue
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(0, colon)).trim()
    const value = line.slice(colon + 1).trim()
    if (!NAME.test(name) || !VALUE.test(value)) {
      throw tracingError('TRACING_SETTINGS_INVALID', `${path}: line ${index + 1} is no "name: value"`)
    }
    headers[name] = value
  }
  return headers
}

import { readFileSync, statSync } from 'node:fs'
import { parseDocument } from 'yaml'
import { configError } from './errors.ts'

/** A configuration is a page of text; anything larger is a wrong path. */
const CONFIG_FILE_SIZE_BYTES_MAX = 1_048_576

/** The top-level mapping of a YAML or JSON file (JSON is YAML). CONFIG_FILE_UNREADABLE, CONFIG_FILE_MALFORMED. */
export function readConfigFile(path: string): Record<string, unknown> {
  const source = readText(path)
  const document = parseDocument(source, { uniqueKeys: true })
  const [problem] = document.errors
  // The parser's message quotes the file, which may hold a secret: only the line is told.
  if (problem) throw malformed(path, `not YAML or JSON (line ${problem.linePos?.[0].line ?? '?'}, ${problem.code})`)
  const value: unknown = document.toJS({ maxAliasCount: 0 })
  if (value === null || value === undefined) return {}
  if (typeof value !== 'object' || Array.isArray(value)) throw malformed(path, 'not a mapping of options')
  return value as Record<string, unknown>
}

function readText(path: string): string {
  try {
    if (statSync(path).size > CONFIG_FILE_SIZE_BYTES_MAX) throw malformed(path, 'larger than 1 MiB')
    return readFileSync(path, 'utf8')
  } catch (cause) {
    if (!(cause instanceof Error) || !('syscall' in cause)) throw cause
    throw configError('CONFIG_FILE_UNREADABLE', `cannot read the configuration file ${path}`, { path }, { cause })
  }
}

function malformed(path: string, why: string): Error {
  return configError('CONFIG_FILE_MALFORMED', `${path}: ${why}`, { path })
}

const STAR = -1
const ANY = -2

/** What a condition or a variable asks for: a key of the request, lower case. Undefined: the request has no such key. */
export type ContextValues = (key: string) => readonly string[] | undefined

/** Code points, STAR and ANY; a variable is its key and, if it has one, its default. */
type Token = number | { readonly key: string; readonly fallback: string | undefined }

const VARIABLE = /\$\{(?:(?<escaped>[*?$])|(?<key>[A-Za-z0-9:._/-]{1,256})(?:\s*,\s*'(?<fallback>[^'{}]*)')?)\}/y

/**
 * A text of a policy with `*`, `?` and variables (IAM User Guide, "Policy variables"): `${aws:userid}`, `${s3:prefix, 'none'}`;
 * `${*}`, `${?}` and `${$}` are the characters themselves. What a variable stands for is never a wildcard.
 */
export class Pattern {
  readonly text: string
  readonly #tokens: readonly Token[]
  readonly #simple: Simple | undefined

  constructor(text: string, options: { readonly wildcards: boolean; readonly variables: boolean }) {
    this.text = text
    this.#tokens = tokensOf(text, options)
    this.#simple = simpleOf(this.#tokens)
  }

  /** Whether it has wildcards or variables, so that it stands for more than itself. */
  get isLiteral(): boolean {
    return this.#tokens.every((token) => typeof token === 'number' && token >= 0)
  }

  /** False where the request does not say what a variable stands for. */
  matches(candidate: string, values: ContextValues, ignoreCase = false): boolean {
    const simple = this.#simple
    if (simple !== undefined) {
      const text = ignoreCase ? candidate.toLowerCase() : candidate
      const wanted = ignoreCase ? simple.lowerCase : simple.text
      return simple.isPrefix ? text.startsWith(wanted) : text === wanted
    }
    const wanted = this.#resolved(values)
    if (wanted === undefined) return false
    const fold = (codes: number[]) => (ignoreCase ? codes.map(lowerCase) : codes)
    return matchesGlob(fold(wanted), fold(candidateCodes(candidate)))
  }

  /**
   * IAM User Guide, "Amazon Resource Name (ARN) condition operators": each of the six parts is compared for itself, so that no
   * wildcard reaches over a colon but in the last one.
   */
  matchesArn(candidate: string, values: ContextValues): boolean {
    const wanted = this.#resolved(values)
    if (wanted === undefined) return false
    if (wanted.length === 1 && wanted[0] === STAR) return true
    const [wantedParts, parts] = [arnParts(wanted), arnParts(candidateCodes(candidate))]
    if (wantedParts.length !== ARN_PARTS || parts.length !== ARN_PARTS) return false
    return wantedParts.every((part, index) => matchesGlob(part, parts[index] ?? []))
  }

  /** The text with its variables replaced; undefined as above. */
  resolve(values: ContextValues): string | undefined {
    const simple = this.#simple
    if (simple !== undefined && !simple.isPrefix) return simple.text
    const codes = this.#resolved(values)
    return codes && String.fromCodePoint(...codes.map((code) => (code === STAR ? 0x2a : code === ANY ? 0x3f : code)))
  }

  #resolved(values: ContextValues): number[] | undefined {
    const codes: number[] = []
    for (const token of this.#tokens) {
      if (typeof token === 'number') {
        codes.push(token)
        continue
      }
      const found = values(token.key)
      // A key with several values stands for none of them.
      const value = found?.length === 1 ? found[0] : token.fallback
      if (value === undefined) return undefined
      codes.push(...codePoints(value))
    }
    return codes
  }
}

/** Whether a text fits one with `*` and `?`, as StringLike has it (IAM User Guide, "String condition operators"); no variables. */
export function isLike(candidate: string, text: string): boolean {
  return new Pattern(text, { wildcards: true, variables: false }).matches(candidate, () => undefined)
}

/** What nearly all patterns are: a text, or one that ends with the one `*` that it has. */
interface Simple {
  readonly text: string
  readonly lowerCase: string
  readonly isPrefix: boolean
}

function simpleOf(tokens: readonly Token[]): Simple | undefined {
  const isPrefix = tokens.at(-1) === STAR
  const codes = isPrefix ? tokens.slice(0, -1) : tokens
  if (!codes.every((token) => typeof token === 'number' && token >= 0)) return undefined
  const text = codes.map((code) => String.fromCodePoint(code as number)).join('')
  return { text, lowerCase: text.toLowerCase(), isPrefix }
}

function tokensOf(text: string, { wildcards, variables }: { wildcards: boolean; variables: boolean }): Token[] {
  const tokens: Token[] = []
  for (let at = 0; at < text.length; ) {
    VARIABLE.lastIndex = at
    const variable = variables ? VARIABLE.exec(text) : null
    if (variable?.groups) {
      const { escaped, key = '', fallback } = variable.groups
      tokens.push(escaped === undefined ? { key: key.toLowerCase(), fallback } : (escaped.codePointAt(0) ?? 0))
      at += variable[0].length
      continue
    }
    const code = text.codePointAt(at) ?? 0
    at += code > 0xffff ? 2 : 1
    if (wildcards && code === 0x2a) tokens.push(STAR)
    else tokens.push(wildcards && code === 0x3f ? ANY : code)
  }
  return tokens
}

/**
 * Each text between two stars at the first place where it fits: at most the product of both lengths, whatever the pattern, and
 * few steps for each, as who makes a policy and names an object can make it be so.
 */
function matchesGlob(wanted: readonly number[], candidate: readonly number[]): boolean {
  const firstStar = wanted.indexOf(STAR)
  if (firstStar === -1) return wanted.length === candidate.length && fitsAt(wanted, candidate, 0)
  const lastStar = wanted.lastIndexOf(STAR)
  const tail = wanted.slice(lastStar + 1)
  const tailAt = candidate.length - tail.length
  if (tailAt < firstStar) return false
  if (!fitsAt(wanted.slice(0, firstStar), candidate, 0) || !fitsAt(tail, candidate, tailAt)) return false
  let at = firstStar
  for (let star = firstStar; star < lastStar; ) {
    const next = wanted.indexOf(STAR, star + 1)
    const found = find(wanted.slice(star + 1, next), candidate, at, tailAt)
    if (found === -1) return false
    at = found + (next - star - 1)
    star = next
  }
  return true
}

/** Where a text without stars first fits between two places; -1: nowhere. */
function find(text: readonly number[], candidate: readonly number[], from: number, end: number): number {
  for (let at = from; at + text.length <= end; at++) if (fitsAt(text, candidate, at)) return at
  return -1
}

/** From its end: what begins alike is the more common. */
function fitsAt(text: readonly number[], candidate: readonly number[], at: number): boolean {
  for (let index = text.length - 1; index >= 0; index--) {
    const code = text[index]
    if (code !== candidate[at + index] && code !== ANY) return false
  }
  return true
}

const ARN_PARTS = 6
const COLON = 0x3a

/** The last has all colons that are left. */
function arnParts(codes: readonly number[]): (readonly number[])[] {
  const parts: (readonly number[])[] = []
  let start = 0
  while (parts.length < ARN_PARTS - 1) {
    const at = codes.indexOf(COLON, start)
    if (at === -1) break
    parts.push(codes.slice(start, at))
    start = at + 1
  }
  return [...parts, codes.slice(start)]
}

let lastCandidate = { text: '', codes: [] as number[] }

/** Many patterns are asked of one text after another. */
function candidateCodes(text: string): number[] {
  if (lastCandidate.text !== text) lastCandidate = { text, codes: codePoints(text) }
  return lastCandidate.codes
}

function codePoints(text: string): number[] {
  return Array.from(text, (character) => character.codePointAt(0) ?? 0)
}

function lowerCase(code: number): number {
  return code < 0 ? code : (String.fromCodePoint(code).toLowerCase().codePointAt(0) ?? code)
}

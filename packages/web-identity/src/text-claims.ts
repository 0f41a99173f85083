/** What trust policies can ask for: a text, or several. */
export type TextClaims = Readonly<Record<string, string | readonly string[]>>

const CLAIM_CHARACTERS_MAX = 4096
const CLAIM_VALUES_MAX = 500
/** Names in all, and objects within objects: `resource_access.<client>.roles` has two. */
const CLAIMS_MAX = 500
const DEPTH_MAX = 4

/**
 * The claims of a token as texts, by their names; what is within an object by its path with dots, as `realm_access.roles`. Booleans and
 * numbers as their texts; of a list what is text, and of a list of objects what each says of one name (`groups.name`). What is larger than any policy
 * would name is left out. A claim whose own name has dots comes before a path that reads the same.
 */
export function textClaims(payload: Readonly<Record<string, unknown>>): TextClaims {
  const claims = new Map<string, string | readonly string[]>()
  gather(claims, [['', payload]], 0)
  return Object.fromEntries(claims)
}

type Objects = readonly (readonly [path: string, value: Readonly<Record<string, unknown>>])[]

/** One depth after the other, so that what is nearer comes first. */
function gather(claims: Map<string, string | readonly string[]>, objects: Objects, depth: number): void {
  if (objects.length === 0 || depth > DEPTH_MAX) return
  const within = objects.flatMap(([path, object]) =>
    Object.entries(object).flatMap(([name, value]) => {
      const at = path === '' ? name : `${path}.${name}`
      const texts = textsOf(value)
      if (texts !== undefined && !claims.has(at) && claims.size < CLAIMS_MAX) claims.set(at, texts)
      if (isObject(value)) return [[at, value] as const]
      return isObjects(value) ? [[at, merged(value)] as const] : []
    }),
  )
  gather(claims, within, depth + 1)
}

function textsOf(value: unknown): string | readonly string[] | undefined {
  if (typeof value === 'boolean' || typeof value === 'number') return String(value)
  if (isText(value)) return value
  if (isObjects(value) || !Array.isArray(value) || value.length > CLAIM_VALUES_MAX) return undefined
  return value.filter(isText)
}

/** Of all of them together: each name with what any says of it. */
function merged(objects: readonly Readonly<Record<string, unknown>>[]): Readonly<Record<string, unknown>> {
  const all = new Map<string, string[]>()
  for (const [name, value] of objects.flatMap((object) => Object.entries(object))) {
    const texts = textsOf(value) ?? []
    all.set(name, [...(all.get(name) ?? []), ...(typeof texts === 'string' ? [texts] : texts)])
  }
  return Object.fromEntries(all)
}

function isText(value: unknown): value is string {
  return typeof value === 'string' && value.length <= CLAIM_CHARACTERS_MAX
}

function isObject(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

function isObjects(value: unknown): value is readonly Readonly<Record<string, unknown>>[] {
  return Array.isArray(value) && value.length > 0 && value.length <= CLAIM_VALUES_MAX && value.every(isObject)
}

import { type ContextValues, type KnownPrincipal, principalValue } from '@coffer/policy'

const ENCRYPTION_CONTEXT = 'kms:encryptioncontext:'
/** What only a request knows. Every other key without a value has none in a request either. */
const OF_REQUESTS =
  /^(?:aws:(?:sourceip|securetransport|useragent|referer|requesttag\/|tagkeys)|s3:(?!existingobjecttag\/|buckettag\/)|sts:|kms:)/

/** Values of condition keys where there is no request: those given, those of the principal, the time and the region. */
export class GivenValues {
  readonly #given = new Map<string, readonly string[]>()
  readonly #principal: KnownPrincipal
  readonly #missing = new Set<string>()
  readonly encryptionContext: Readonly<Record<string, string>>

  constructor(given: Readonly<Record<string, readonly string[]>>, principal: KnownPrincipal, region: string) {
    const now = Date.now()
    this.#principal = principal
    this.#given.set('aws:currenttime', [new Date(now).toISOString()])
    this.#given.set('aws:epochtime', [String(Math.floor(now / 1000))])
    this.#given.set('aws:requestedregion', [region])
    const context: [name: string, value: string][] = []
    for (const [name, values] of Object.entries(given)) {
      const key = name.toLowerCase()
      const [value] = values
      if (!key.startsWith(ENCRYPTION_CONTEXT)) this.#given.set(key, values)
      // Grants tell its names apart by case.
      else if (value !== undefined) context.push([name.slice(ENCRYPTION_CONTEXT.length), value])
    }
    this.encryptionContext = Object.fromEntries(context)
  }

  find(key: string): string | undefined {
    return this.#given.get(key)?.[0]
  }

  /** With what is known of the resource. */
  of(resourceValue: (key: string) => string | undefined = () => undefined): ContextValues {
    return (key) => {
      const given = this.#given.get(key)
      if (given !== undefined) return given
      const known = resourceValue(key) ?? principalValue(this.#principal, key)
      if (known !== undefined) return [known]
      if (OF_REQUESTS.test(key)) this.#missing.add(key)
      return undefined
    }
  }

  missing(): readonly string[] {
    return [...this.#missing].sort()
  }
}

import { randomBytes } from 'node:crypto'
import { z } from 'zod'
import { kmsError } from '../../errors.ts'
import type { KesAnswer, KesClient } from './kes-client.ts'

/** As KES takes them (kes, auth.go, validName). */
const NAME = /^(?!_$)\w(?:[\w-]*\w)?$/
const NAME_LENGTH_MAX = 80
const NAME_CHARACTERS = [...'-0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ_abcdefghijklmnopqrstuvwxyz']

/** What the names of later versions end with: of no key, so that none is listed that is only a version of another. */
const VERSION_SUFFIX = /-v-[0-9a-f]{12}$/
const VERSION_SUFFIX_LENGTH = 15
const VERSION_RANDOM_BYTES = 6

/** A server that says of every list that it is cut is not asked for ever. */
const LIST_CALLS_MAX = 2_000

const ListAnswer = z.object({
  names: z
    .array(z.string())
    .nullish()
    .transform((names) => names ?? []),
  continue_at: z.string().optional(),
})

/** The name of a master key's first version in KES; undefined for an id that cannot be one. */
export function nameOf(keyPrefix: string, keyId: string): string | undefined {
  const name = keyPrefix + keyId
  const isName = NAME.test(name) && name.length <= NAME_LENGTH_MAX - VERSION_SUFFIX_LENGTH
  return isName && !VERSION_SUFFIX.test(name) ? name : undefined
}

/** Of a key that nobody can have made before, with bytes that they know. */
export function laterVersionName(name: string): string {
  return `${name}-v-${randomBytes(VERSION_RANDOM_BYTES).toString('hex')}`
}

export function isLaterVersionOf(name: string, laterName: string): boolean {
  return VERSION_SUFFIX.test(laterName) && laterName.slice(0, -VERSION_SUFFIX_LENGTH) === name
}

/**
 * The names that begin with the prefix, without those of later versions, in their order. KES cuts a list at 1,024 names, says
 * the name it would go on with, and has no way to go on there: each next character is asked for by itself, as far as what
 * begins with it is not listed yet.
 */
export async function listNames(client: KesClient, prefix: string): Promise<string[]> {
  const found = new Set<string>()
  // KES takes no pattern that ends with a hyphen.
  const pending = [{ start: prefix.replace(/-+$/, ''), listedBefore: '' }]
  for (let calls = 0; ; ) {
    const next = pending.pop()
    if (next === undefined) return [...found].sort()
    const { start, listedBefore } = next
    const overlaps = start.startsWith(prefix) || prefix.startsWith(start)
    if (!overlaps || (start < listedBefore && !listedBefore.startsWith(start))) continue
    const listed = start.endsWith('-') ? { names: [], continue_at: listedBefore } : await list(client, start)
    if (!start.endsWith('-') && ++calls > LIST_CALLS_MAX) throw kmsError('KMS_UNAVAILABLE')
    for (const name of listed.names) {
      if (name.startsWith(prefix) && !VERSION_SUFFIX.test(name)) found.add(name)
    }
    if (!listed.continue_at || start.length >= NAME_LENGTH_MAX) continue
    const { continue_at } = listed
    pending.push(...NAME_CHARACTERS.map((character) => ({ start: start + character, listedBefore: continue_at })))
  }
}

async function list(client: KesClient, start: string): Promise<z.infer<typeof ListAnswer>> {
  return listOf(await client.call('GET', `key/list/${start || '*'}`))
}

function listOf(answer: KesAnswer): z.infer<typeof ListAnswer> {
  const parsed = ListAnswer.safeParse(answer.kind === 'ok' ? answer.body : undefined)
  if (!parsed.success) throw kmsError('KMS_UNAVAILABLE')
  return parsed.data
}

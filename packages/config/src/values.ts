import { Secret } from '@coffer/crypto-core'
import * as z from 'zod'

/**
 * A kind of value: how it is read from text (environment, flag) or from a file's own type, and what is allowed, in words.
 * The words end up in error messages and in docs/configuration.md.
 */
export interface ValueKind<T> {
  readonly schema: z.ZodType<T, unknown>
  readonly allowed: string
}

export interface HostPort {
  /** '' : every interface. */
  readonly host: string
  /** 0: any free port. */
  readonly port: number
}

export function text(allowed: string, pattern = /^.+$/): ValueKind<string> {
  return { schema: z.string().regex(pattern), allowed }
}

/** Text that must never be shown: it becomes a {@link Secret} of its UTF-8 bytes at once. */
export function secretText(allowed: string, pattern: RegExp): ValueKind<Secret> {
  const schema = z
    .string()
    .regex(pattern)
    .transform((value) => Secret.take(Buffer.from(value, 'utf8')))
  return { schema, allowed }
}

export function integer(limits: { min: number; max: number }): ValueKind<number> {
  const fromText = z
    .string()
    .regex(/^\d{1,15}$/)
    .transform(Number)
  const schema = z.union([z.number(), fromText]).pipe(z.number().int().min(limits.min).max(limits.max))
  return { schema, allowed: `a whole number from ${limits.min} to ${limits.max}` }
}

/** Of a whole: 0 to 1. */
export function fraction(): ValueKind<number> {
  const fromText = z
    .string()
    .regex(/^(0|1|0?\.\d{1,9}|1\.0+)$/)
    .transform(Number)
  return { schema: z.union([z.number(), fromText]).pipe(z.number().min(0).max(1)), allowed: 'a number from 0 to 1' }
}

const TRUE_WORDS = ['1', 'true', 'yes', 'on']
const FALSE_WORDS = ['0', 'false', 'no', 'off']

export function onOff(): ValueKind<boolean> {
  const fromText = z
    .enum([...TRUE_WORDS, ...FALSE_WORDS] as [string, ...string[]])
    .transform((word) => TRUE_WORDS.includes(word))
  return { schema: z.union([z.boolean(), fromText]), allowed: `${TRUE_WORDS.join(', ')} or ${FALSE_WORDS.join(', ')}` }
}

export function oneOf<const T extends string>(choices: readonly [T, ...T[]]): ValueKind<T> {
  return { schema: z.enum(choices as unknown as [T, ...T[]]) as z.ZodType<T, unknown>, allowed: choices.join(', ') }
}

const DOMAIN = /^(?=.{1,253}$)[a-z0-9]([a-z0-9-]*[a-z0-9])?(\.[a-z0-9]([a-z0-9-]*[a-z0-9])?)*$/

/** Domain names, lower-cased. '' (or an empty list) is none. */
export function domainNames(): ValueKind<readonly string[]> {
  const fromText = z.string().transform((value) => value.split(',').flatMap((part) => part.trim() || []))
  const schema = z
    .union([z.array(z.string()), fromText])
    .transform((names) => names.map((name) => name.toLowerCase()))
    .pipe(z.array(z.string().regex(DOMAIN)).max(100))
  return { schema, allowed: 'domain names, separated by commas' }
}

const HOST_PORT = /^(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]*)):(\d{1,5})$/

export function hostPort(): ValueKind<HostPort> {
  const schema = z
    .string()
    .regex(HOST_PORT)
    .transform((value): HostPort => {
      const [, bracketed, plain, port] = HOST_PORT.exec(value) ?? []
      return { host: bracketed ?? plain ?? '', port: Number(port) }
    })
    .refine(({ port }) => port <= 65_535)
  return { schema, allowed: 'host:port, [IPv6 address]:port, or :port for every interface; port 0 is any free one' }
}

const WORD = /"([^"]*)"|'([^']*)'|(\S+)/g

/** A program and its arguments: a list in a file, or words (quotes keep spaces together). No shell reads it. */
export function commandLine(): ValueKind<readonly string[]> {
  const fromText = z.string().transform((value) => [...value.matchAll(WORD)].map((m) => m[1] ?? m[2] ?? m[3] ?? ''))
  const schema = z.union([z.array(z.string()), fromText]).pipe(z.array(z.string()).min(1).max(100))
  return { schema, allowed: 'a program and its arguments, as one line or (in a file) as a list' }
}

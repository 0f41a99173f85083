import { type Configuration, readConfigFile } from '@coffer/config'
import { isCofferError } from '@coffer/errors'
import type { IdentityDirectory, IdentityDirectoryPlugin } from '@coffer/identity-directory'
import type { Logger } from '@coffer/mesh'
import type { IdentityRule, IdentitySettings } from '@coffer/service-iam'
import { z } from 'zod'
import { cofferError } from './errors.ts'
import { loadPlugin } from './load-plugin.ts'

/** Plain data, as workers are sent it. */
export type IdentityOptions = Pick<Configuration, 'identitiesFile' | 'oidcIssuerHosts'>

export function identityOptionsOf({ identitiesFile, oidcIssuerHosts }: Configuration): IdentityOptions {
  return { identitiesFile, oidcIssuerHosts }
}

const RULES_MAX = 1_000
const pattern = z.string().min(1).max(1_024)
const patterns = z.union([pattern, z.array(pattern).min(1).max(RULES_MAX)])
const assume = z.string().regex(/^arn:aws:iam::\d{12}:(role|user)\/[\w+=,.@/-]{1,512}$/, 'the ARN of a role or a user')

/** What of a certificate a rule can ask for. */
const CertificateRule = z.strictObject({
  when: z
    .strictObject({
      commonName: patterns.optional(),
      organization: patterns.optional(),
      organizationalUnit: patterns.optional(),
      uri: patterns.optional(),
      dns: patterns.optional(),
      email: patterns.optional(),
      issuer: patterns.optional(),
      serialNumber: patterns.optional(),
      fingerprint: patterns.optional(),
    })
    .refine((when) => Object.keys(when).length > 0, 'nothing to go by: every certificate would be so'),
  assume,
})

/** What of a person of the directory a rule can ask for. */
const PersonRule = z.strictObject({
  when: z
    .strictObject({ username: patterns.optional(), user: patterns.optional(), groups: patterns.optional() })
    .refine((when) => Object.keys(when).length > 0, 'nothing to go by: everybody would be so'),
  assume,
})

/** The file that COFFER_IDENTITIES_FILE names. */
const IdentitiesConfiguration = z.strictObject({
  certificates: z.array(CertificateRule).max(RULES_MAX).default([]),
  /** Beside these two what the plugin of that type takes. */
  directory: z
    .looseObject({ type: z.string().min(1), rules: z.array(PersonRule).max(RULES_MAX).default([]) })
    .optional(),
})

/** Loaded when a configuration names them, and not before. */
const BUILT_IN: Readonly<Record<string, () => Promise<IdentityDirectoryPlugin<never>>>> = {
  ldap: async () =>
    (await import('@coffer/identity-directory/directories/ldap')).ldapDirectory as IdentityDirectoryPlugin<never>,
}

/** What the file says, checked but for what the plugin of its directory takes. COFFER_IDENTITIES_CONFIGURATION_INVALID. */
export function readIdentitiesFile(path: string | undefined): z.infer<typeof IdentitiesConfiguration> {
  const parsed = IdentitiesConfiguration.safeParse(path === undefined ? {} : readConfigFile(path))
  if (!parsed.success) throw invalid(path ?? '', messagesOf(parsed.error))
  return parsed.data
}

/** Whom this server's operator lets in. COFFER_IDENTITIES_CONFIGURATION_INVALID. */
export async function openIdentities(
  { identitiesFile, oidcIssuerHosts }: IdentityOptions,
  logger: Pick<Logger, 'warn'>,
): Promise<IdentitySettings> {
  const { certificates, directory } = readIdentitiesFile(identitiesFile)
  return {
    oidcIssuerHosts,
    certificateRules: certificates.map((rule) => ruleOf('certificate', rule)),
    directory: directory && (await openDirectory(directory, identitiesFile ?? '', logger)),
  }
}

type WrittenDirectory = NonNullable<z.infer<typeof IdentitiesConfiguration>['directory']>

async function openDirectory(
  { type, rules, ...settings }: WrittenDirectory,
  path: string,
  logger: Pick<Logger, 'warn'>,
): Promise<IdentitySettings['directory']> {
  const plugin = await load(type, path)
  const options = plugin.options.safeParse(settings)
  if (!options.success) throw invalid(path, `directory: ${messagesOf(options.error)}`)
  const people = await plugin.open(options.data).catch((cause: unknown) => {
    if (!isCofferError(cause)) throw cause
    throw invalid(path, `directory: ${cause.message} ${JSON.stringify(cause.details)}`)
  })
  const { normalName = (name: string) => name } = plugin
  const asTold = (key: string, pattern: string) => (key === 'username' ? pattern : normalName(pattern))
  return { people: telling(people, logger), rules: rules.map((rule) => ruleOf('ldap', rule, asTold)) }
}

async function load(type: string, path: string): Promise<IdentityDirectoryPlugin> {
  const builtIn = BUILT_IN[type]
  if (builtIn !== undefined) return (await builtIn()) as IdentityDirectoryPlugin
  const loaded = await loadPlugin<IdentityDirectoryPlugin>(path, type).catch(() => undefined)
  if (loaded?.options !== undefined && loaded.open !== undefined) return loaded as IdentityDirectoryPlugin
  const known = Object.keys(BUILT_IN).join(', ')
  throw invalid(path, `directory.type: ${type} is neither ${known} nor a package that exports a directory`)
}

/** The operator is told why the directory can't be asked; whoever wanted to log in is not. */
function telling(people: IdentityDirectory, logger: Pick<Logger, 'warn'>): IdentityDirectory {
  return {
    async authenticate(username, password) {
      try {
        return await people.authenticate(username, password)
      } catch (error) {
        if (isCofferError(error)) {
          logger.warn({ code: error.code, ...error.details }, 'the directory of users cannot be asked')
        }
        throw error
      }
    },
  }
}

interface WrittenRule {
  readonly when: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly assume: string
}

/** `asTold`: a pattern in the form of what it is compared with. */
function ruleOf(
  source: string,
  { when, assume }: WrittenRule,
  asTold: (key: string, pattern: string) => string = (_key, pattern) => pattern,
): IdentityRule {
  const asked = Object.entries(when).flatMap(([name, wanted]) =>
    wanted === undefined
      ? []
      : [[`${source}:${name.toLowerCase()}`, [wanted].flat().map((pattern) => asTold(name, pattern))] as const],
  )
  return { when: Object.fromEntries(asked), assume }
}

/** Where and what, never the value: it may be a secret. */
function messagesOf(error: z.ZodError): string {
  return error.issues.map(({ path, message }) => `${path.join('.') || 'the file'}: ${message}`).join('; ')
}

function invalid(path: string, why: string) {
  return cofferError('COFFER_IDENTITIES_CONFIGURATION_INVALID', `${path}: ${why}`, { path })
}

import { type Configuration, readConfigFile } from '@coffer/config'
import type { IdentityRule, IdentitySettings } from '@coffer/service-iam'
import { z } from 'zod'
import { cofferError } from './errors.ts'

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

/** The file that COFFER_IDENTITIES_FILE names. */
const IdentitiesConfiguration = z.strictObject({
  certificates: z.array(CertificateRule).max(RULES_MAX).default([]),
})

/** Whom this server's operator lets in. COFFER_IDENTITIES_CONFIGURATION_INVALID. */
export function openIdentities({ identitiesFile, oidcIssuerHosts }: IdentityOptions): IdentitySettings {
  const parsed = IdentitiesConfiguration.safeParse(identitiesFile === undefined ? {} : readConfigFile(identitiesFile))
  if (!parsed.success) throw invalid(identitiesFile ?? '', messagesOf(parsed.error))
  return { oidcIssuerHosts, certificateRules: parsed.data.certificates.map((rule) => ruleOf('certificate', rule)) }
}

interface WrittenRule {
  readonly when: Readonly<Record<string, string | readonly string[] | undefined>>
  readonly assume: string
}

function ruleOf(source: string, { when, assume }: WrittenRule): IdentityRule {
  const asked = Object.entries(when).flatMap(([name, wanted]) =>
    wanted === undefined ? [] : [[`${source}:${name.toLowerCase()}`, [wanted].flat()] as const],
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

import type { CertificateFacts } from '@coffer/contracts'
import { z } from 'zod'
import { arn } from '../actions/fields.ts'
import { refusal } from '../errors.ts'
import { durationSeconds, sessionName, sessionPolicies } from './fields.ts'
import { type Proven, sessionOfProven } from './proven-identity.ts'
import { type StsAction, stsAction } from './sts-call.ts'

/** What trust policies name as Federated: whoever this server's TLS lets in as a client. */
const PROVIDER = 'certificate.coffer'

/**
 * Credentials for the certificate that the client's connection was made with (MinIO, "AssumeRoleWithCertificate"). Not signed: the
 * certificate is the proof, and they end with it.
 */
export const ASSUME_ROLE_WITH_CERTIFICATE: StsAction = stsAction(
  'AssumeRoleWithCertificate',
  false,
  z.strictObject({
    // Clients of MinIO send neither: rules say who becomes what.
    RoleArn: arn.optional(),
    RoleSessionName: sessionName.optional(),
    DurationSeconds: durationSeconds.optional(),
    ...sessionPolicies,
  }),
  async (input, call) => {
    if (call.certificate === undefined) {
      throw refusal(
        'IAM_ACCESS_DENIED',
        'The connection has no client certificate, or none that this server trusts, that is in time and not revoked.',
      )
    }
    return await sessionOfProven(call, provenBy(call.certificate), call.identities.certificateRules, input)
  },
)

function provenBy(certificate: CertificateFacts): Proven {
  const { commonNames, uris, serialNumber, fingerprint256, expiresAt } = certificate
  const values = {
    'certificate:commonname': commonNames,
    'certificate:organization': certificate.organizations,
    'certificate:organizationalunit': certificate.organizationalUnits,
    'certificate:uri': uris,
    'certificate:dns': certificate.dnsNames,
    'certificate:email': certificate.emails,
    'certificate:issuer': certificate.issuerCommonNames,
    'certificate:serialnumber': [serialNumber],
    'certificate:fingerprint': [fingerprint256],
  }
  const kept = { 'certificate:commonname': only(commonNames), 'certificate:uri': only(uris) }
  return {
    action: 'sts:AssumeRoleWithCertificate',
    provider: PROVIDER,
    name: commonNames[0] ?? uris[0] ?? serialNumber,
    values,
    kept: Object.fromEntries(
      Object.entries(kept).flatMap(([key, value]) => (value === undefined ? [] : [[key, value]])),
    ),
    expiresAtMax: expiresAt,
  }
}

/** A policy's variable has one value. */
function only([first, ...more]: readonly string[]): string | undefined {
  return more.length === 0 ? first : undefined
}

import { z } from 'zod'

const host = (what: string) => z.string().regex(/^https:\/\/[A-Za-z0-9.-]+(:\d+)?$/, what)
const uuid = z.string().regex(/^[A-Za-z0-9.-]{1,128}$/)
const path = z.string().min(1)

/** Who Coffer is to Microsoft Entra. */
const Auth = z.discriminatedUnion('method', [
  z.strictObject({
    method: z.literal('managedIdentity').describe('That of the machine; clientId for one that is assigned to it.'),
    clientId: uuid.optional(),
  }),
  z.strictObject({
    method: z.literal('workloadIdentity').describe('A token that Kubernetes (or another) renews in a file.'),
    tenantId: uuid,
    clientId: uuid,
    tokenFile: path,
  }),
  z.strictObject({
    method: z.literal('secret').describe("An application's secret in a file."),
    tenantId: uuid,
    clientId: uuid,
    secretFile: path,
  }),
  z.strictObject({
    method: z.literal('certificate').describe("An application's certificate and its private key, PEM."),
    tenantId: uuid,
    clientId: uuid,
    certFile: path,
    keyFile: path,
  }),
])

export const AzureOptions = z.strictObject({
  vault: host('https://<name>.vault.azure.net or https://<name>.managedhsm.azure.net').describe(
    'The Key Vault or the Managed HSM, https://<name>.vault.azure.net.',
  ),
  keyType: z
    .enum(['RSA', 'RSA-HSM', 'oct-HSM'])
    .default('RSA')
    .describe('Of new keys: RSA and RSA-HSM in a Key Vault; oct-HSM (AES-256) in a Managed HSM.'),
  keyPrefix: z
    .string()
    .regex(/^[A-Za-z0-9-]{0,40}$/, 'at most 40 of A-Z a-z 0-9 -')
    .default('coffer-')
    .describe("What the names of Coffer's keys begin with."),
  auth: Auth,
  authorityHost: host('https://host')
    .default('https://login.microsoftonline.com')
    .describe("Where tokens come from: another one in Azure's national clouds."),
  resource: host('https://host')
    .optional()
    .describe('What tokens are for; absent: https://vault.azure.net, or https://managedhsm.azure.net with oct-HSM.'),
  caFile: path.optional().describe('Certificates that both servers are checked against, PEM.'),
  timeoutMs: z.int().min(100).max(60_000).default(5000).describe('How long an answer may take, milliseconds.'),
})

export type AzureOptions = z.infer<typeof AzureOptions>

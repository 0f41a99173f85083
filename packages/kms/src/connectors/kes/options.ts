import { z } from 'zod'

const path = z.string().min(1)

const ApiKeyLogin = z
  .strictObject({
    method: z.literal('apiKey'),
    apiKeyFile: path.optional().describe('A file with the API key, kes:v1:...'),
    apiKeyVariable: z.string().min(1).optional().describe('Or the environment variable that holds it.'),
  })
  .refine((login) => (login.apiKeyFile === undefined) !== (login.apiKeyVariable === undefined), {
    message: 'one of apiKeyFile and apiKeyVariable',
  })

const CertificateLogin = z.strictObject({
  method: z.literal('cert'),
  certFile: path.describe('The client certificate, PEM.'),
  keyFile: path.describe('Its private key, PEM.'),
})

export const KesOptions = z.strictObject({
  address: z
    .url()
    .refine((url) => url.startsWith('https://'), 'https://')
    .describe('Where KES is, https://host:port.'),
  caFile: path
    .optional()
    .describe('Certificates that the server is checked against, PEM; absent: those of the system.'),
  keyPrefix: z
    .string()
    .regex(/^[A-Za-z0-9_-]{0,64}$/)
    .default('')
    .describe("What the names of Coffer's keys in KES begin with; by default every key of KES is one of Coffer's."),
  timeoutMs: z.int().min(100).max(60_000).default(5000).describe('How long an answer may take, milliseconds.'),
  auth: z.discriminatedUnion('method', [ApiKeyLogin, CertificateLogin]).describe('Who Coffer is to KES.'),
})

export type KesOptions = z.infer<typeof KesOptions>
export type KesLogin = KesOptions['auth']

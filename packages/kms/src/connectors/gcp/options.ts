import { z } from 'zod'

const LOOPBACK = /^http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d+)?$/

export const GcpOptions = z.strictObject({
  keyRing: z
    .string()
    .regex(
      /^projects\/[a-z0-9:.-]{1,80}\/locations\/[a-z0-9-]{1,40}\/keyRings\/[A-Za-z0-9_-]{1,63}$/,
      'projects/<project>/locations/<location>/keyRings/<ring>',
    )
    .describe('The key ring that holds the keys, projects/<project>/locations/<location>/keyRings/<ring>.'),
  keyPrefix: z
    .string()
    .regex(/^[A-Za-z0-9_-]{0,40}$/, 'at most 40 of A-Z a-z 0-9 _ -')
    .default('coffer-')
    .describe("What the names of Coffer's keys begin with."),
  protectionLevel: z.enum(['SOFTWARE', 'HSM']).default('SOFTWARE').describe('Where new keys are kept.'),
  credentialsFile: z
    .string()
    .min(1)
    .optional()
    .describe("A service account's key or a workload identity configuration; absent: the default credentials."),
  address: z
    .string()
    .refine((url) => /^https:\/\/[^/]+$/.test(url) || LOOPBACK.test(url), 'https://host, or http:// on loopback')
    .default('https://cloudkms.googleapis.com')
    .describe('Another address than the usual: a Private Service Connect or regional endpoint.'),
  caFile: z.string().min(1).optional().describe('Certificates that the server is checked against, PEM.'),
  timeoutMs: z.int().min(100).max(60_000).default(5000).describe('How long an answer may take, milliseconds.'),
})

export type GcpOptions = z.infer<typeof GcpOptions>

import { z } from 'zod'

const path = z.string().min(1)
const LOOPBACK = /^http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d+)?\/?$/
/** KMS API Reference, "KeyId" of DescribeKey: a key id, a key ARN, an alias or an alias ARN. */
const AWS_KEY =
  /^(?:arn:aws[a-z-]*:kms:[a-z0-9-]+:\d{12}:(?:key\/[A-Za-z0-9-]+|alias\/[A-Za-z0-9/_-]+)|alias\/[A-Za-z0-9/_-]+|(?:mrk-)?[0-9a-f-]{32,36})$/

export const AwsOptions = z
  .strictObject({
    region: z
      .string()
      .regex(/^[a-z0-9-]{1,32}$/)
      .optional()
      .describe('The region, eu-central-1; absent: that of AWS_REGION or of the profile.'),
    endpoint: z
      .url()
      .refine((url) => url.startsWith('https://') || LOOPBACK.test(url), 'https://, or http:// on loopback')
      .optional()
      .describe("Another address than the region's own: a VPC endpoint, https://host."),
    fips: z.boolean().default(false).describe("Whether to use AWS's FIPS endpoints."),
    caFile: path
      .optional()
      .describe('Certificates that the server is checked against, PEM; absent: those that Node ships.'),
    profile: z.string().min(1).optional().describe("The profile of AWS's shared configuration; absent: its own rules."),
    accessKeyId: z
      .string()
      .regex(/^\w{16,128}$/)
      .optional()
      .describe("An access key, together with secretAccessKeyFile; absent: AWS's credential chain."),
    secretAccessKeyFile: path.optional().describe('A file with its secret; read again every few minutes.'),
    keyPrefix: z
      .string()
      .regex(/^(?!aws\/)[A-Za-z0-9/_-]{0,128}$/, 'at most 128 of A-Z a-z 0-9 / _ -, not beginning with aws/')
      .default('coffer/')
      .describe("What follows alias/ in the aliases of Coffer's keys."),
    keys: z
      .record(
        z.string().regex(/^[A-Za-z0-9._-]{1,64}$/),
        z.string().regex(AWS_KEY, 'no key id, alias or ARN of AWS KMS'),
      )
      .default({})
      .describe('Names for keys that are there already: a key id, ARN, alias/name or alias ARN each.'),
    timeoutMs: z.int().min(100).max(60_000).default(5000).describe('How long an answer may take, milliseconds.'),
    maxSockets: z.int().min(1).max(1024).default(50).describe('Connections at once.'),
  })
  .refine(
    ({ accessKeyId, secretAccessKeyFile }) => (accessKeyId === undefined) === (secretAccessKeyFile === undefined),
    {
      message: 'accessKeyId and secretAccessKeyFile go together',
      path: ['secretAccessKeyFile'],
    },
  )
  .refine(({ accessKeyId, profile }) => accessKeyId === undefined || profile === undefined, {
    message: 'either a profile or an access key',
    path: ['profile'],
  })

export type AwsOptions = z.infer<typeof AwsOptions>

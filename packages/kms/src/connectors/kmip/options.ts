import { z } from 'zod'

const path = z.string().min(1)
/** The port of KMIP (IANA, "kmip"). */
const KMIP_PORT = 5696

export const KmipOptions = z.strictObject({
  host: z.string().min(1).max(255).describe('The name or address of the KMIP server.'),
  port: z.int().min(1).max(65_535).default(KMIP_PORT).describe('Its port.'),
  protocolVersion: z
    .enum(['1.4', '2.0'])
    .default('1.4')
    .describe('The version of KMIP to speak; 1.4 is the first with authenticated encryption.'),
  caFile: path
    .optional()
    .describe('Certificates that the server is checked against, PEM; absent: those of the system.'),
  certFile: path.describe('The client certificate, PEM.'),
  keyFile: path.describe('Its private key, PEM.'),
  keyPrefix: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{0,64}$/)
    .default('coffer-')
    .describe("What the names of Coffer's keys in the server begin with."),
  timeoutMs: z.int().min(100).max(60_000).default(5000).describe('How long an answer may take, milliseconds.'),
})

export type KmipOptions = z.infer<typeof KmipOptions>

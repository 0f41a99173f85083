import { z } from 'zod'

const path = z.string().min(1)
/** A mount of Vault: the path of an engine or of a login method. */
const mount = z.string().regex(/^[A-Za-z0-9_/-]{1,128}$/)
const LOOPBACK = /^http:\/\/(127\.0\.0\.1|localhost|\[::1\])(:\d+)?\/?$/

const TokenLogin = z.strictObject({
  method: z.literal('token'),
  tokenFile: path.optional().describe('A file with the token; read again at each login.'),
  tokenVariable: z.string().min(1).optional().describe('Or the environment variable that holds it.'),
})

const AppRoleLogin = z.strictObject({
  method: z.literal('approle'),
  mount: mount.default('approle').describe('Where the login method is mounted.'),
  roleId: z.string().min(1).describe('The role.'),
  secretIdFile: path.describe('A file with the secret id; read again at each login.'),
})

const KubernetesLogin = z.strictObject({
  method: z.literal('kubernetes'),
  mount: mount.default('kubernetes').describe('Where the login method is mounted.'),
  role: z.string().min(1).describe('The role.'),
  jwtFile: path
    .default('/var/run/secrets/kubernetes.io/serviceaccount/token')
    .describe("The service account's token; read again at each login."),
})

const CertificateLogin = z.strictObject({
  method: z.literal('cert'),
  mount: mount.default('cert').describe('Where the login method is mounted.'),
  role: z.string().min(1).optional().describe('The role; without one Vault takes the first that fits.'),
  certFile: path.describe('The client certificate, PEM.'),
  keyFile: path.describe('Its private key, PEM.'),
})

export const VaultOptions = z.strictObject({
  address: z
    .url()
    .refine((url) => url.startsWith('https://') || LOOPBACK.test(url), 'https://, or http:// on loopback')
    .describe('Where Vault or OpenBao is, https://host:port.'),
  caFile: path
    .optional()
    .describe('Certificates that the server is checked against, PEM; absent: those of the system.'),
  namespace: z.string().min(1).optional().describe('The namespace (Vault Enterprise, OpenBao).'),
  mount: mount.default('transit').describe('Where the Transit engine is mounted.'),
  keyPrefix: z
    .string()
    .regex(/^[A-Za-z0-9_.-]{0,64}$/)
    .default('coffer-')
    .describe("What the names of Coffer's keys in Transit begin with."),
  timeoutMs: z.int().min(100).max(60_000).default(5000).describe('How long an answer may take, milliseconds.'),
  auth: z
    .discriminatedUnion('method', [TokenLogin, AppRoleLogin, KubernetesLogin, CertificateLogin])
    .describe('How to log in.'),
})

export type VaultOptions = z.infer<typeof VaultOptions>
export type VaultLogin = VaultOptions['auth']

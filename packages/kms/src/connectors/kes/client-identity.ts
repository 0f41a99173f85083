import { createPrivateKey, createPublicKey, randomBytes, webcrypto } from 'node:crypto'
import { createSecureContext, type SecureContext } from 'node:tls'
import { kmsError } from '../../errors.ts'
import { readOptionFile } from '../mutual-tls.ts'
import type { KesLogin, KesOptions } from './options.ts'

const API_KEY = /^(?:kes:v1:)?([A-Za-z0-9+/]+={0,2})$/
/** The type, 0 for Ed25519, and the seed (kms-go, kes/apikey.go). */
const API_KEY_BYTES = 33
const ED25519_TYPE = 0
/** PKCS #8 of an Ed25519 key up to its seed (RFC 8410, section 7). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex')

const ED25519 = { name: 'Ed25519' } as const
/** A server whose clock is a little behind must not find the certificate from the future. */
const BACKDATED_MS = 60 * 60 * 1000
/** KES goes by the public key alone; the certificate exists as long as the process does. */
const VALIDITY_MS = 10 * 365 * 24 * 60 * 60 * 1000

/** What a connection to KES shows and trusts. KMS_OPTIONS_INVALID for files and keys that cannot be used. */
export async function secureContextOf({ auth, caFile }: KesOptions): Promise<SecureContext> {
  const ca = caFile === undefined ? undefined : await readOptionFile(caFile, 'caFile')
  const { cert, key } = auth.method === 'apiKey' ? await certificateOf(auth) : await filesOf(auth)
  try {
    return createSecureContext({ cert, key, ...(ca && { ca }) })
  } catch {
    throw kmsError('KMS_OPTIONS_INVALID', { option: 'caFile or auth' })
  } finally {
    key.fill(0)
  }
}

async function filesOf({ certFile, keyFile }: Extract<KesLogin, { method: 'cert' }>) {
  return {
    cert: await readOptionFile(certFile, 'auth.certFile'),
    key: await readOptionFile(keyFile, 'auth.keyFile'),
  }
}

/** An API key is the private key of a client certificate that each client makes for itself (KES documentation, "API keys"). */
async function certificateOf(login: Extract<KesLogin, { method: 'apiKey' }>): Promise<{ cert: string; key: Buffer }> {
  const pkcs8 = await readApiKey(login)
  try {
    const key = createPrivateKey({ key: pkcs8, format: 'der', type: 'pkcs8' })
    const spki = createPublicKey(key).export({ format: 'der', type: 'spki' })
    const keys = {
      privateKey: await webcrypto.subtle.importKey('pkcs8', pkcs8, ED25519, false, ['sign']),
      publicKey: await webcrypto.subtle.importKey('spki', spki, ED25519, true, ['verify']),
    }
    return { cert: await selfSign(keys), key: Buffer.from(key.export({ format: 'pem', type: 'pkcs8' })) }
  } finally {
    pkcs8.fill(0)
  }
}

async function readApiKey({
  apiKeyFile,
  apiKeyVariable,
}: Extract<KesLogin, { method: 'apiKey' }>): Promise<Buffer<ArrayBuffer>> {
  const option = apiKeyFile === undefined ? 'auth.apiKeyVariable' : 'auth.apiKeyFile'
  const text =
    apiKeyFile === undefined
      ? process.env[apiKeyVariable ?? '']
      : (await readOptionFile(apiKeyFile, option)).toString('latin1')
  const [, base64 = ''] = API_KEY.exec((text ?? '').trim()) ?? []
  const bytes = Buffer.from(base64, 'base64')
  try {
    if (bytes.length !== API_KEY_BYTES || bytes[0] !== ED25519_TYPE) throw kmsError('KMS_OPTIONS_INVALID', { option })
    return Buffer.concat([PKCS8_PREFIX, bytes.subarray(1)])
  } finally {
    bytes.fill(0)
  }
}

async function selfSign(keys: { privateKey: webcrypto.CryptoKey; publicKey: webcrypto.CryptoKey }): Promise<string> {
  const x509 = await import('@peculiar/x509')
  const notBefore = new Date(Date.now() - BACKDATED_MS)
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: positiveSerial(),
      name: 'CN=Coffer',
      notBefore,
      notAfter: new Date(notBefore.getTime() + VALIDITY_MS),
      signingAlgorithm: ED25519,
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(false, undefined, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.clientAuth]),
      ],
    },
    webcrypto as Crypto,
  )
  return certificate.toString('pem')
}

/** 16 random bytes as hex, the sign bit clear (RFC 5280, section 4.1.2.2: positive, at most 20 octets). */
function positiveSerial(): string {
  const serial = randomBytes(16)
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40
  return serial.toString('hex')
}

import { createPrivateKey, createPublicKey, type KeyObject, randomBytes, webcrypto } from 'node:crypto'
import { isIP } from 'node:net'

/** The most that today's clients accept of a server certificate is 825 days (Apple's requirements of 2019, the laxest). */
const VALIDITY_DAYS = 825
const DAY_MS = 86_400_000
/** A client whose clock is a little behind must not find the certificate from the future. */
const BACKDATED_MS = 60 * 60 * 1000

const CURVE = { name: 'ECDSA', namedCurve: 'P-256' } as const

export async function newCertificateKey(): Promise<string> {
  const { privateKey } = await webcrypto.subtle.generateKey(CURVE, true, ['sign', 'verify'])
  const der = Buffer.from(await webcrypto.subtle.exportKey('pkcs8', privateKey))
  return createPrivateKey({ key: der, format: 'der', type: 'pkcs8' })
    .export({ format: 'pem', type: 'pkcs8' })
    .toString()
}

/** Whether {@link selfSign} can use this key. */
export function isCertificateKey(pem: string): boolean {
  try {
    return createPrivateKey(pem).asymmetricKeyDetails?.namedCurve === 'prime256v1'
  } catch {
    return false
  }
}

/**
 * A certificate in PEM for these DNS names and IP addresses, signed by its own P-256 key. It is its own CA, so that the
 * one file is all a client needs to trust: strict verifiers (OpenSSL's X509_V_FLAG_X509_STRICT, on by default in Python
 * 3.13) want of a CA critical basic constraints, key usage and a subject key identifier (RFC 5280, section 4.2.1).
 */
export async function selfSign(keyPem: string, names: readonly string[]): Promise<string> {
  // Loaded here only: it is needed at the first start and takes longer than the rest of it.
  const x509 = await import('@peculiar/x509')
  const key = createPrivateKey(keyPem)
  const keys = { privateKey: await importKey(key), publicKey: await importKey(createPublicKey(key)) }
  const now = Date.now()
  const certificate = await x509.X509CertificateGenerator.createSelfSigned(
    {
      serialNumber: positiveSerial(),
      name: 'CN=Coffer (self-signed), O=Coffer',
      notBefore: new Date(now - BACKDATED_MS),
      notAfter: new Date(now - BACKDATED_MS + VALIDITY_DAYS * DAY_MS),
      signingAlgorithm: { name: 'ECDSA', hash: 'SHA-256' },
      keys,
      extensions: [
        new x509.BasicConstraintsExtension(true, 0, true),
        new x509.KeyUsagesExtension(x509.KeyUsageFlags.digitalSignature | x509.KeyUsageFlags.keyCertSign, true),
        new x509.ExtendedKeyUsageExtension([x509.ExtendedKeyUsage.serverAuth]),
        await x509.SubjectKeyIdentifierExtension.create(keys.publicKey),
        await x509.AuthorityKeyIdentifierExtension.create(keys.publicKey),
        new x509.SubjectAlternativeNameExtension(
          names.map((name) => (isIP(name) ? { type: 'ip', value: name } : { type: 'dns', value: name })),
        ),
      ],
    },
    webcrypto as Crypto,
  )
  return `${certificate.toString('pem')}\n`
}

async function importKey(key: KeyObject): Promise<webcrypto.CryptoKey> {
  const isPrivate = key.type === 'private'
  const format = isPrivate ? 'pkcs8' : 'spki'
  const der = key.export({ format: 'der', type: format } as { format: 'der'; type: 'pkcs8' })
  return await webcrypto.subtle.importKey(format, der, CURVE, true, [isPrivate ? 'sign' : 'verify'])
}

/** 16 random bytes as hex, the sign bit clear (RFC 5280, section 4.1.2.2: positive, at most 20 octets). */
function positiveSerial(): string {
  const serial = randomBytes(16)
  serial[0] = ((serial[0] ?? 0) & 0x7f) | 0x40
  return serial.toString('hex')
}

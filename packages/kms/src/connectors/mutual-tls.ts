import { readFile } from 'node:fs/promises'
import { kmsError } from '../errors.ts'

/** What a server says of a client certificate that it does not take (RFC 8446, section 6.2), as OpenSSL names it. */
const CERTIFICATE_ALERT =
  /ALERT_(BAD_CERTIFICATE|UNSUPPORTED_CERTIFICATE|CERTIFICATE_REVOKED|CERTIFICATE_EXPIRED|CERTIFICATE_UNKNOWN|UNKNOWN_CA|ACCESS_DENIED|CERTIFICATE_REQUIRED|HANDSHAKE_FAILURE)$/

/** Whether a connection failed because the server refused the client's certificate, or the lack of one. */
export function isCertificateRefused(error: unknown): boolean {
  if (!(error instanceof Error)) return false
  const { code } = error as NodeJS.ErrnoException
  return (typeof code === 'string' && CERTIFICATE_ALERT.test(code)) || isCertificateRefused(error.cause)
}

/** KMS_OPTIONS_INVALID, which names the option and the file. */
export function readOptionFile(path: string, option: string): Promise<Buffer> {
  return readFile(path).catch(() => {
    throw kmsError('KMS_OPTIONS_INVALID', { option, path })
  })
}

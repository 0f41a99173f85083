import { getCACertificates, setDefaultCACertificates } from 'node:tls'
import { readTrustedCertificates } from './certificate-files.ts'

/** Makes every TLS client in this process (NATS, key servers, stores) trust `certs/CAs/` beside the system's list. */
export async function trustCertificatesIn(certsDirectory: string): Promise<void> {
  const trusted = await readTrustedCertificates(certsDirectory)
  if (trusted.length > 0) setDefaultCACertificates([...getCACertificates('default'), ...trusted])
}

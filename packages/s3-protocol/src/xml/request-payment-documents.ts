import { s3Error } from '../errors.ts'
import { findText, knownChildren, parseXml } from './parse-xml.ts'
import { element, xmlDocument } from './write-xml.ts'

const PAYERS = ['BucketOwner', 'Requester'] as const
/** S3 API, RequestPaymentConfiguration. */
export type Payer = (typeof PAYERS)[number]

/** PutBucketRequestPayment. MalformedXML. */
export function parseRequestPayment(bytes: Uint8Array): Payer {
  const root = parseXml(bytes, 'RequestPaymentConfiguration')
  knownChildren(root, ['Payer'])
  const said = findText(root, 'Payer')
  const payer = PAYERS.find((known) => known === said)
  if (payer === undefined) throw s3Error('MalformedXML')
  return payer
}

export function renderRequestPayment(payer: Payer): string {
  return xmlDocument('RequestPaymentConfiguration', element('Payer', payer))
}

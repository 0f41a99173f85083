import { s3Error } from '../errors.ts'
import { findText, knownChildren, parseXml } from './parse-xml.ts'
import { element, xmlDocument } from './write-xml.ts'

/* Documents that hold a status and nothing else. */

function parseStatus<Status extends string>(bytes: Uint8Array, root: string, known: readonly Status[]): Status {
  const document = parseXml(bytes, root)
  knownChildren(document, ['Status'])
  const said = findText(document, 'Status')?.trim()
  const status = known.find((word) => word === said)
  if (status === undefined) throw s3Error('MalformedXML')
  return status
}

/** PutBucketAccelerateConfiguration. MalformedXML. */
export function parseAccelerateStatus(bytes: Uint8Array): 'Enabled' | 'Suspended' {
  return parseStatus(bytes, 'AccelerateConfiguration', ['Enabled', 'Suspended'])
}

/** Undefined: never said. */
export function renderAccelerateStatus(status: 'Suspended' | undefined): string {
  return xmlDocument('AccelerateConfiguration', element('Status', status))
}

/** PutBucketAbac. MalformedXML. */
export function parseAbacStatus(bytes: Uint8Array): 'Enabled' | 'Disabled' {
  return parseStatus(bytes, 'AbacStatus', ['Enabled', 'Disabled'])
}

export function renderAbacStatus(status: 'Enabled' | 'Disabled'): string {
  return xmlDocument('AbacStatus', element('Status', status))
}

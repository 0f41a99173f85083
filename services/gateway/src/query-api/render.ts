import type { AnswerTree } from '@coffer/contracts'
import { element } from '@coffer/s3-protocol'
import type { QueryApiError } from './errors.ts'

const DECLARATION = '<?xml version="1.0" encoding="UTF-8"?>\n'

type Structure = { readonly [name: string]: AnswerTree }

/** An answer of AWS's Query protocol (Smithy, "AWS query protocol", response serialization). */
export function renderAnswer(
  { action, namespace, requestId }: { readonly action: string; readonly namespace: string; readonly requestId: string },
  result: Structure | undefined,
): string {
  const content = result === undefined ? '' : `<${action}Result>${contentOf(result)}</${action}Result>`
  const metadata = `<ResponseMetadata>${element('RequestId', requestId)}</ResponseMetadata>`
  return `${DECLARATION}<${action}Response xmlns="${namespace}">${content}${metadata}</${action}Response>`
}

export function renderFailure({ code, message, status }: QueryApiError, namespace: string, requestId: string): string {
  const type = element('Type', status < 500 ? 'Sender' : 'Receiver')
  const error = `<Error>${type}${element('Code', code)}${element('Message', message)}</Error>`
  return `${DECLARATION}<ErrorResponse xmlns="${namespace}">${error}${element('RequestId', requestId)}</ErrorResponse>`
}

function contentOf(structure: Structure): string {
  return Object.entries(structure)
    .map(([name, value]) => renderField(name, value))
    .join('')
}

function renderField(name: string, value: AnswerTree): string {
  if (value === undefined || typeof value !== 'object') return element(name, value)
  if (!isList(value)) return `<${name}>${contentOf(value)}</${name}>`
  // The entries of a map stand in it by themselves; of a list each is a member.
  if (name === 'entry') return value.map((item) => renderField(name, item)).join('')
  return `<${name}>${value.map((item) => renderField('member', item)).join('')}</${name}>`
}

function isList(value: object): value is readonly AnswerTree[] {
  return Array.isArray(value)
}

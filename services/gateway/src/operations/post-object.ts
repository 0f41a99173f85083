import { invariant } from '@coffer/errors'
import { redirectLocation, renderPostResponse } from '@coffer/s3-protocol'
import { openFormFile } from '../body/form-payload.ts'
import { type Reply, XML_HEADERS } from '../reply.ts'
import type { AuthorizedRequest, PostedForm } from '../requests.ts'
import type { Operation } from './operation.ts'
import { putPayload } from './put-object.ts'

/** POST Object: an upload from a browser's form. What it asks for is what PutObject would be asked; the answer is the form's. */
export const postObject: Operation = async (request, context) => {
  const { form } = request
  invariant(form !== undefined, 'the form of a PostObject was read when it was authenticated')
  const { headers } = request.parsed
  const put = await putPayload(request, context, 's3:ObjectCreated:Post', ({ md5 }) =>
    openFormFile(form.reader.file(), { md5, headers, sizeRange: form.sizeRange }),
  )
  return replyTo(request, form, put)
}

function replyTo({ parsed }: AuthorizedRequest, { success }: PostedForm, put: Reply): Reply {
  const { bucket, key, secure, headers, hostBucket } = parsed
  const etag = String(put.headers.etag)
  if (success.redirect !== undefined) {
    const location = redirectLocation(success.redirect, { bucket, key, etag })
    return { status: 303, headers: { ...put.headers, location } }
  }
  const path = encodeURI(key)
  const location = `${secure ? 'https' : 'http'}://${headers.host ?? ''}/${hostBucket ? path : `${bucket}/${path}`}`
  const told = { ...put.headers, location }
  if (success.status !== 201) return { status: success.status, headers: told }
  const body = renderPostResponse({ location, bucket, key, etag })
  return { status: 201, headers: { ...told, ...XML_HEADERS }, body }
}

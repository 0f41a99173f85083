import { z } from 'zod'

/*
 * Fields that several actions take, with the limits of the IAM API Reference. Every parameter comes as a text. Inputs are strict
 * objects of them: what is not understood is refused, not passed over.
 */

const NAME = /^[\w+=,.@-]+$/
const PATH = /^\/(?:[\x21-\x7e]+\/)?$/
const TAG_TEXT = /^[\p{L}\p{Z}\p{N}_.:/=+\-@]*$/u

export const userName = z.string().min(1).max(64).regex(NAME)
export const groupName = z.string().min(1).max(128).regex(NAME)
export const roleName = z.string().min(1).max(64).regex(NAME)
export const policyName = z.string().min(1).max(128).regex(NAME)
export const path = z.string().min(1).max(512).regex(PATH)
export const pathPrefix = z
  .string()
  .min(1)
  .max(512)
  .regex(/^\/[\x21-\x7e]*$/)
export const arn = z.string().min(20).max(2048)
export const document = z.string().min(1).max(131_072)
export const description = z.string().max(1000)
export const accessKeyId = z
  .string()
  .min(16)
  .max(128)
  .regex(/^[A-Za-z0-9._-]+$/)
export const versionId = z.string().regex(/^v[1-9][0-9]{0,8}$/)
export const truth = z.enum(['true', 'false']).transform((text) => text === 'true')
export const count = (min: number, max: number) =>
  z
    .string()
    .regex(/^\d{1,9}$/)
    .transform(Number)
    .pipe(z.int().min(min).max(max))

/** An empty list comes as an empty text. */
export function listOf<Item extends z.ZodType>(item: Item, most: number) {
  return z.preprocess((value) => (value === '' ? [] : value), z.array(item).max(most))
}

export const tag = z.strictObject({
  Key: z.string().min(1).max(128).regex(TAG_TEXT),
  Value: z.string().max(256).regex(TAG_TEXT),
})
export const tags = listOf(tag, 50)
export const tagKeys = listOf(z.string().min(1).max(128), 50)

export const paging = {
  Marker: z.string().min(1).max(2048).optional(),
  MaxItems: count(1, 1000).optional(),
}

import { z } from 'zod'
import { arn, count, document, listOf, tagKeys, tags } from '../actions/fields.ts'
import { refusal } from '../errors.ts'
import { asList, type Values } from './sts-call.ts'

/*
 * Parameters that several actions of STS take, with the limits of the STS API Reference.
 */

const SESSION_NAME = /^[\w+=,.@-]+$/

export const sessionName = z.string().min(2).max(64).regex(SESSION_NAME)
export const durationSeconds = count(900, 129_600)

/** What limits a session, and what it is told by. */
export const sessionPolicies = {
  Policy: document.max(2048).optional(),
  PolicyArns: listOf(z.strictObject({ arn }), 10).optional(),
}
export const sessionTags = {
  Tags: tags.optional(),
  TransitiveTagKeys: tagKeys.optional(),
}

interface TagsGiven {
  readonly Tags?: readonly { readonly Key: string; readonly Value: string }[] | undefined
  readonly TransitiveTagKeys?: readonly string[] | undefined
}

export interface SessionTags {
  readonly tags: Readonly<Record<string, string>>
  readonly transitiveTagKeys: readonly string[]
}

/**
 * The tags of a new session: those of the request, and those that the caller's own session hands on, which cannot be given anew
 * (IAM User Guide, "Chaining roles with session tags"). IAM_VALIDATION_ERROR.
 */
export function tagsOfSession(given: TagsGiven, inherited: SessionTags = NO_TAGS): SessionTags {
  const { Tags = [], TransitiveTagKeys = [] } = given
  const names = [...inherited.transitiveTagKeys, ...Tags.map(({ Key }) => Key)]
  if (new Set(names.map((name) => name.toLowerCase())).size < names.length) {
    throw refusal('IAM_VALIDATION_ERROR', 'Duplicate tag keys found. Please note that Tag keys are case insensitive.')
  }
  const unknown = TransitiveTagKeys.find((name) => !Tags.some(({ Key }) => Key === name))
  if (unknown !== undefined) {
    throw refusal('IAM_VALIDATION_ERROR', 'One of the specified transitive tag keys is not among the session tags.')
  }
  const handedOn = inherited.transitiveTagKeys.map((name) => [name, inherited.tags[name] ?? ''] as const)
  return {
    tags: Object.fromEntries([...handedOn, ...Tags.map(({ Key, Value }) => [Key, Value] as const)]),
    transitiveTagKeys: [...inherited.transitiveTagKeys, ...TransitiveTagKeys],
  }
}

export const NO_TAGS: SessionTags = { tags: {}, transitiveTagKeys: [] }

/** Condition keys of a request's tags (Service Authorization Reference, AWS Security Token Service). */
export function tagValues({ Tags = [], TransitiveTagKeys }: TagsGiven): Values {
  return {
    'aws:tagkeys': Tags.length > 0 ? Tags.map(({ Key }) => Key) : undefined,
    'sts:transitivetagkeys': TransitiveTagKeys,
    ...Object.fromEntries(Tags.map(({ Key, Value }) => [`aws:requesttag/${Key.toLowerCase()}`, asList(Value)])),
  }
}

import { z } from 'zod'
import { arnOf, type OidcProvider } from '../entities.ts'
import { refusal } from '../errors.ts'
import { type ActionCall, ANYTHING, type IamAction, iamAction } from './action.ts'
import { tagList, timeOf } from './answers.ts'
import { arn, listOf, tags } from './fields.ts'
import { providerWithArn } from './find-entities.ts'
import { assertWithin } from './quotas.ts'
import { tagsFrom } from './tags-of.ts'

const CLIENT_IDS_MAX = 100
const clientId = z.string().min(1).max(255)
/** SHA-1 of a certificate in hex; looked at by nobody here: trust in certificates is the server's `CAs` directory. */
const thumbprint = z.string().length(40)
const thumbprints = listOf(thumbprint, 5)
const One = z.strictObject({ OpenIDConnectProviderArn: arn })
const OneClient = z.strictObject({ OpenIDConnectProviderArn: arn, ClientID: clientId })
const target = (input: { readonly OpenIDConnectProviderArn: string }) => ({ arn: input.OpenIDConnectProviderArn })

/** OpenID Connect providers whose users may take roles of the account. */
export const OIDC_PROVIDER_ACTIONS: readonly IamAction[] = [
  iamAction(
    'CreateOpenIDConnectProvider',
    z.strictObject({
      Url: z.string().min(1).max(255),
      ClientIDList: listOf(clientId, CLIENT_IDS_MAX).default([]),
      ThumbprintList: thumbprints.default([]),
      Tags: tags.optional(),
    }),
    ({ Url }, { accountId }) => ({ arn: `arn:aws:iam::${accountId}:oidc-provider/${idOf(Url)}` }),
    ({ Url, ClientIDList, ThumbprintList, Tags }, { store, accountId }) =>
      store.change((directory) => {
        const id = idOf(Url)
        if (directory.find('oidc-provider', accountId, id) !== undefined) {
          throw refusal('IAM_ENTITY_EXISTS', `Provider with url ${Url} already exists.`)
        }
        assertWithin('OidcProviders', directory.count('oidc-provider', accountId) + 1)
        const provider: OidcProvider = {
          kind: 'oidc-provider',
          accountId,
          id,
          clientIds: [...new Set(ClientIDList)],
          thumbprints: ThumbprintList,
          createdAt: Date.now(),
          tags: tagsFrom(Tags),
        }
        return {
          put: [provider],
          result: { OpenIDConnectProviderArn: arnOf(provider), Tags: tagList(provider.tags) },
        }
      }),
  ),
  iamAction('GetOpenIDConnectProvider', One, target, async (input, { directory, accountId }) => {
    const provider = providerWithArn(directory, accountId, input.OpenIDConnectProviderArn)
    return {
      Url: provider.id,
      ClientIDList: provider.clientIds,
      ThumbprintList: provider.thumbprints,
      CreateDate: timeOf(provider.createdAt),
      Tags: tagList(provider.tags),
    }
  }),
  iamAction('ListOpenIDConnectProviders', z.strictObject({}), ANYTHING, async (_, { directory, accountId }) => ({
    OpenIDConnectProviderList: directory.list('oidc-provider', accountId).map((provider) => ({ Arn: arnOf(provider) })),
  })),
  iamAction('DeleteOpenIDConnectProvider', One, target, (input, { store, accountId }) =>
    store.change((directory) => ({
      remove: [providerWithArn(directory, accountId, input.OpenIDConnectProviderArn)],
      result: undefined,
    })),
  ),
  iamAction('AddClientIDToOpenIDConnectProvider', OneClient, target, (input, call) =>
    changeProvider(call, input.OpenIDConnectProviderArn, (provider) => {
      const clientIds = [...new Set([...provider.clientIds, input.ClientID])]
      if (clientIds.length > CLIENT_IDS_MAX) {
        throw refusal(
          'IAM_LIMIT_EXCEEDED',
          `Cannot exceed quota for ClientIdsPerOpenIdConnectProvider: ${CLIENT_IDS_MAX}`,
        )
      }
      return { ...provider, clientIds }
    }),
  ),
  iamAction('RemoveClientIDFromOpenIDConnectProvider', OneClient, target, (input, call) =>
    changeProvider(call, input.OpenIDConnectProviderArn, (provider) => ({
      ...provider,
      clientIds: provider.clientIds.filter((id) => id !== input.ClientID),
    })),
  ),
  iamAction(
    'UpdateOpenIDConnectProviderThumbprint',
    z.strictObject({ OpenIDConnectProviderArn: arn, ThumbprintList: thumbprints }),
    target,
    (input, call) =>
      changeProvider(call, input.OpenIDConnectProviderArn, (provider) => ({
        ...provider,
        thumbprints: input.ThumbprintList,
      })),
  ),
]

/** ValidationError: not an HTTPS address, or one with a port, query or name in it (OpenID Connect Discovery, "issuer"). */
function idOf(text: string): string {
  const url = URL.parse(text)
  const isPlain = url !== null && url.search === '' && url.hash === '' && url.username === '' && url.password === ''
  if (!isPlain || !/^https?:$/.test(url.protocol))
    throw refusal('IAM_VALIDATION_ERROR', 'Invalid Open ID Connect Provider URL')
  return providerIdOf(text)
}

/**
 * What an ARN calls the provider of an issuer: its address without scheme, and without the one slash that some have at the end. With
 * any number of them a forged token could name one provider in as many ways, each of which would be asked for its keys.
 */
export function providerIdOf(issuer: string): string {
  return issuer.replace(/^https?:\/\//, '').replace(/\/$/, '')
}

function changeProvider(
  { store, accountId }: ActionCall,
  providerArn: string,
  change: (provider: OidcProvider) => OidcProvider,
): Promise<void> {
  return store.change((directory) => ({
    put: [change(providerWithArn(directory, accountId, providerArn))],
    result: undefined,
  }))
}

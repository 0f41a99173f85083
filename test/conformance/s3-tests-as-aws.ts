/**
 * What s3-tests' tests of users, roles and sessions take from Ceph alone, put as AWS has it, so that what they are about can be tested:
 * ARNs without an account, and an identity provider without a client, at an address of its own. Nothing that is compared with an
 * answer changes but these names.
 */
export function asAws(source: string, { accountId, audience }: { accountId: string; audience: string }): string {
  return source
    .replaceAll('arn:aws:iam:::assumed-role/', `arn:aws:sts::${accountId}:assumed-role/`)
    .replaceAll('arn:aws:iam:::', `arn:aws:iam::${accountId}:`)
    .replaceAll('localhost:8080/auth/realms/', '')
    .replaceAll(/^(\s*)ThumbprintList=\[$/gm, `$1ClientIDList=['${audience}'], ThumbprintList=[`)
    .replaceAll('create_oidc_provider(iam_client, url, None,', `create_oidc_provider(iam_client, url, ['${audience}'],`)
}

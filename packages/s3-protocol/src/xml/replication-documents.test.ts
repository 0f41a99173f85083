import { describe, expect, it } from 'vitest'
import { S3Error } from '../errors.ts'
import { replicationRulesFor } from '../replication/replication-rules.ts'
import { parseReplicationConfiguration, renderReplicationConfiguration } from './replication-documents.ts'

const ARN = '<Bucket>arn:aws:s3:::copy</Bucket>'
const MARKERS = '<DeleteMarkerReplication><Status>Disabled</Status></DeleteMarkerReplication>'

interface RuleParts {
  readonly head?: string
  readonly filter?: string
  readonly rest?: string
  readonly destination?: string
}

function ruleOf({
  head = '<Priority>1</Priority><Status>Enabled</Status>',
  filter = '<Filter><Prefix></Prefix></Filter>',
  rest = MARKERS,
  destination = ARN,
}: RuleParts = {}): string {
  return `<Rule>${head}${filter}${rest}<Destination>${destination}</Destination></Rule>`
}

const documentOf = (...rules: string[]) =>
  Buffer.from(
    `<ReplicationConfiguration xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><Role>arn:aws:iam::1:role/r</Role>${rules.join('')}</ReplicationConfiguration>`,
  )

function codeOf(document: Buffer): string {
  try {
    parseReplicationConfiguration(document)
  } catch (error) {
    if (error instanceof S3Error) return error.code
    throw error
  }
  return 'taken'
}

const tag = (key: string) => `<Tag><Key>${key}</Key><Value>v</Value></Tag>`
const kms =
  '<SourceSelectionCriteria><SseKmsEncryptedObjects><Status>Enabled</Status></SseKmsEncryptedObjects></SourceSelectionCriteria>'

const time = (minutes = '15') =>
  `<ReplicationTime><Status>Enabled</Status><Time><Minutes>${minutes}</Minutes></Time></ReplicationTime>`
const metrics = () =>
  '<Metrics><Status>Enabled</Status><EventThreshold><Minutes>15</Minutes></EventThreshold></Metrics>'
const OWNER = '<AccessControlTranslation><Owner>Destination</Owner></AccessControlTranslation>'
const MODIFICATIONS =
  '<SourceSelectionCriteria><ReplicaModifications><Status>Enabled</Status></ReplicaModifications></SourceSelectionCriteria>'

describe('a replication configuration', () => {
  it.each<[string, string, Buffer]>([
    ['a rule', 'taken', documentOf(ruleOf())],
    [
      'the older form',
      'taken',
      documentOf(ruleOf({ head: '<Status>Enabled</Status>', filter: '<Prefix>a</Prefix>', rest: '' })),
    ],
    ['no rule', 'MalformedXML', documentOf()],
    ['no role', 'MalformedXML', Buffer.from(`<ReplicationConfiguration>${ruleOf()}</ReplicationConfiguration>`)],
    ['another status', 'MalformedXML', documentOf(ruleOf({ head: '<Priority>1</Priority><Status>On</Status>' }))],
    ['an unknown element', 'MalformedXML', documentOf(ruleOf({ rest: `${MARKERS}<Other/>` }))],
    ['no priority', 'InvalidRequest', documentOf(ruleOf({ head: '<Status>Enabled</Status>' }))],
    [
      'a priority that is no number',
      'MalformedXML',
      documentOf(ruleOf({ head: '<Priority>x</Priority><Status>Enabled</Status>' })),
    ],
    ['no word on delete markers', 'InvalidRequest', documentOf(ruleOf({ rest: '' }))],
    [
      'delete markers by tags',
      'InvalidRequest',
      documentOf(ruleOf({ filter: `<Filter>${tag('k')}</Filter>`, rest: MARKERS.replace('Dis', 'En') })),
    ],
    ['an And of one', 'MalformedXML', documentOf(ruleOf({ filter: `<Filter><And>${tag('k')}</And></Filter>` }))],
    [
      'two predicates without And',
      'MalformedXML',
      documentOf(ruleOf({ filter: `<Filter>${tag('k')}${tag('l')}</Filter>` })),
    ],
    [
      'a tag twice',
      'InvalidRequest',
      documentOf(ruleOf({ filter: `<Filter><And>${tag('k')}${tag('k')}</And></Filter>` })),
    ],
    [
      'a prefix too long',
      'InvalidArgument',
      documentOf(ruleOf({ filter: `<Filter><Prefix>${'x'.repeat(1025)}</Prefix></Filter>` })),
    ],
    [
      'an id too long',
      'InvalidArgument',
      documentOf(ruleOf({ head: `<ID>${'x'.repeat(256)}</ID><Priority>1</Priority><Status>Enabled</Status>` })),
    ],
    ['a bucket that is no ARN', 'InvalidArgument', documentOf(ruleOf({ destination: '<Bucket>copy</Bucket>' }))],
    [
      'an unknown storage class',
      'MalformedXML',
      documentOf(ruleOf({ destination: `${ARN}<StorageClass>X</StorageClass>` })),
    ],
    ['SSE-KMS without a key there', 'InvalidRequest', documentOf(ruleOf({ rest: `${kms}${MARKERS}` }))],
    [
      'a key that is a header of its own',
      'InvalidArgument',
      documentOf(
        ruleOf({
          destination: `${ARN}<EncryptionConfiguration><ReplicaKmsKeyID>a&#xa;b</ReplicaKmsKeyID></EncryptionConfiguration>`,
        }),
      ),
    ],
    ['times', 'taken', documentOf(ruleOf({ destination: ARN + time() + metrics() }))],
    ['times without metrics', 'InvalidRequest', documentOf(ruleOf({ destination: ARN + time() }))],
    ['times of another length', 'InvalidArgument', documentOf(ruleOf({ destination: ARN + time('16') + metrics() }))],
    ['times of no length', 'MalformedXML', documentOf(ruleOf({ destination: `${ARN}<ReplicationTime/>` }))],
    [
      'times in the older form',
      'InvalidRequest',
      documentOf(
        ruleOf({
          head: '<Status>Enabled</Status>',
          filter: '<Prefix>a</Prefix>',
          rest: '',
          destination: ARN + time() + metrics(),
        }),
      ),
    ],
    [
      'another owner',
      'taken',
      documentOf(ruleOf({ destination: `${ARN}<Account>${'1'.repeat(12)}</Account>${OWNER}` })),
    ],
    ['another owner whom it does not name', 'InvalidRequest', documentOf(ruleOf({ destination: ARN + OWNER }))],
    ['an account that is none', 'InvalidArgument', documentOf(ruleOf({ destination: `${ARN}<Account>me</Account>` }))],
    [
      'another owner than the destination’s',
      'MalformedXML',
      documentOf(
        ruleOf({ destination: `${ARN}<Account>${'1'.repeat(12)}</Account>${OWNER.replace('Destination', 'Source')}` }),
      ),
    ],
    ['one priority twice', 'InvalidRequest', documentOf(ruleOf(), ruleOf())],
    [
      'one id twice',
      'InvalidRequest',
      documentOf(
        ...['1', '2'].map((n) => ruleOf({ head: `<ID>i</ID><Priority>${n}</Priority><Status>Enabled</Status>` })),
      ),
    ],
  ])('with %s: %s', (_, code, document) => {
    expect(codeOf(document)).toBe(code)
  })

  it('comes back as it was given', () => {
    const encryption = '<EncryptionConfiguration><ReplicaKmsKeyID>key</ReplicaKmsKeyID></EncryptionConfiguration>'
    const parsed = parseReplicationConfiguration(
      documentOf(
        ruleOf({
          filter: `<Filter><And><Prefix>a/</Prefix>${tag('k')}</And></Filter>`,
          rest: `${kms}${MARKERS}`,
          destination: ARN + encryption,
        }),
        ruleOf({
          head: '<Priority>2</Priority><Status>Enabled</Status>',
          rest: MODIFICATIONS + MARKERS,
          destination: `${ARN}<Account>${'1'.repeat(12)}</Account>${OWNER}${time()}${metrics()}`,
        }),
        ruleOf({ head: '<Status>Disabled</Status>', filter: '<Prefix>b</Prefix>', rest: '' }),
      ),
    )
    expect(parseReplicationConfiguration(Buffer.from(renderReplicationConfiguration(parsed)))).toEqual(parsed)
  })
})

describe('the rules for an object', () => {
  const rule = (id: string, priority: number, destination: string, changes: object = {}) => ({
    ...{ id, priority, isEnabled: true, filter: {}, deleteMarkers: false },
    ...{ destination: { bucket: destination }, ...changes },
  })
  const object = { key: 'a/b', tags: { k: 'v' }, isDeleteMarker: false, isKms: false }
  const idsOf = (rules: ReturnType<typeof rule>[], changes: object = {}) =>
    replicationRulesFor({ role: '', rules }, { ...object, ...changes }).map(({ id }) => id)

  it('are one for each destination: that of the highest priority', () => {
    expect(idsOf([rule('low', 1, 'x'), rule('high', 2, 'x'), rule('other', 1, 'y')])).toEqual(['high', 'other'])
    expect(idsOf([rule('off', 3, 'x', { isEnabled: false }), rule('on', 1, 'x')])).toEqual(['on'])
    expect(
      idsOf([rule('all', 1, 'x', { deleteMarkers: true }), rule('none', 2, 'x')], { isDeleteMarker: true }),
    ).toEqual([])
  })

  it('go by prefix and tags, and by what is encrypted how', () => {
    expect(
      idsOf([rule('p', 1, 'x', { filter: { prefix: 'b' } }), rule('q', 1, 'y', { filter: { prefix: 'a/' } })]),
    ).toEqual(['q'])
    expect(idsOf([rule('t', 1, 'x', { filter: { tags: { k: 'v' } } })])).toEqual(['t'])
    expect(idsOf([rule('t', 1, 'x', { filter: { tags: { k: 'w' } } })])).toEqual([])
    expect(idsOf([rule('t', 1, 'x', { filter: { tags: { constructor: 'v' } } })])).toEqual([])
    expect(idsOf([rule('k', 1, 'x')], { isKms: true })).toEqual([])
    expect(idsOf([rule('k', 1, 'x', { kmsObjects: true })], { isKms: true })).toEqual(['k'])
  })
})

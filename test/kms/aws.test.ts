import { kmsConnectorContract } from '@coffer/kms/contract'
import { afterAll, beforeAll } from 'vitest'
import { describeWithPrograms } from '../harness/find-program.ts'
import { awsWorkbench } from './aws-connect.ts'
import { type Moto, startMoto } from './moto.ts'

describeWithPrograms('the aws connector against moto', ['moto_server'], (programs) => {
  const { connect, settingsFor, dispose } = awsWorkbench()
  let moto: Moto
  let count = 0
  beforeAll(async () => {
    moto = await startMoto(programs.moto_server)
  })
  afterAll(async () => {
    await dispose()
    await moto.stop()
  })

  kmsConnectorContract('the aws connector', async () => {
    // Only what a fixture makes has its prefix.
    const settings = { ...settingsFor(moto.endpoint), keyPrefix: `t${count++}/` }
    const [connector, another] = [await connect(settings), await connect(settings)]
    const close = async () => {
      await connector.close()
      await another.close()
    }
    return { connector, another, dispose: close }
  })
})

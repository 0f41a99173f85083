import type { Logger } from '@coffer/mesh'

/** SIGHUP: read certificates again, at once, as daemons do (signal(7) leaves its meaning to them). */
export function onHangUp(cleanup: AsyncDisposableStack, logger: Logger, reload: () => Promise<void> | void): void {
  const receive = () => {
    logger.info('certificates are read again')
    Promise.resolve(reload()).catch((error: unknown) =>
      logger.error({ err: error }, 'certificates cannot be read again'),
    )
  }
  process.on('SIGHUP', receive)
  cleanup.defer(() => void process.off('SIGHUP', receive))
}

export { createEventsService, provideEvents } from './events-service.ts'
export { runRelay, startRelay } from './relay.ts'

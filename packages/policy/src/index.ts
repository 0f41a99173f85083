export { type Decision, type DecisionRequest, decide } from './decide.ts'

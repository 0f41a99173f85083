/** What the IAM and STS APIs answer, for the test that each of it is done by whom it may be. */
export { IAM_ACTIONS } from '../actions/index.ts'
export { STS_ACTIONS } from '../sts/index.ts'

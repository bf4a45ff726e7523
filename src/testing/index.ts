export * from './fake-callback.js'
export * from './fake-decision.js'
export * from './store-contract.js'
